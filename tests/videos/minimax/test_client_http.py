"""The wire between us and MiniMax: time limits, broken connections, and what they leave known of a create."""

import base64
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest

from tests.support.certificates import server_context
from tests.support.clients import client_of, v1_at
from tests.support.lookalike import DROP, Answer, LookAlike, make_mp4
from tests.support.pictures import jpeg
from tests.support.tunnels import tunnel
from videos.minimax.errors import MiniMaxError, Outcome
from videos.minimax.provider import JobState, Order, Phase, RemoteFile
from videos.minimax.v1 import MiniMaxV1

BRIEF = 0.3  # seconds; how long these tests let MiniMax take


def failure_of(act) -> MiniMaxError:
    with pytest.raises(MiniMaxError) as caught:
        act()
    return caught.value


def create_failure(client: MiniMaxV1, **fields: object) -> tuple[Outcome, str]:
    error = failure_of(lambda: client.create(Order("video-01", "a cat", **fields)))
    return error.outcome, error.code


MAYBE = (Outcome.UNKNOWN, "provider_timeout")
NOT_SENT = (Outcome.LATER, "provider_error")
WRONG_ADDRESS = (Outcome.OPERATOR, "provider_auth")


# ---- An ordinary day --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("numeric", [True, False])
def test_a_job_goes_from_prompt_to_link(numeric):
    with LookAlike(numeric_ids=numeric, backup=True, video=lambda job: make_mp4()) as minimax:
        client = client_of(minimax)
        task_id = client.create(Order("video-01", "a cat"))
        job = minimax.jobs[0]
        assert task_id == job.task_id
        states = [client.query(task_id) for _ in minimax.statuses]
        assert [state.phase for state in states] == [Phase.PREPARING, Phase.QUEUED, Phase.RUNNING, Phase.SUCCEEDED]
        assert states[0] == JobState(Phase.PREPARING, None, None)
        assert states[-1] == JobState(Phase.SUCCEEDED, job.file_id, None)
        file = client.locate(job.file_id)
        assert file.url.startswith(minimax.files_url)
        assert file.backup_url not in (None, file.url)
        assert file.size == len(minimax.video(job))


def test_an_unknown_status_means_still_running(minimax):
    client = client_of(minimax)
    task_id = client.create(Order("video-01", "a cat"))
    for status in ("Reticulating", "", "Succeeding"):
        minimax.next("query", Answer(status=status, fields={"status": status}))
        assert client.query(task_id).phase is Phase.RUNNING


def test_a_file_of_unknown_size_and_without_a_backup_says_so(minimax):
    minimax.knows_size = False
    client = client_of(minimax)
    client.create(Order("video-01", "a cat"))
    file = client.locate(minimax.jobs[0].file_id)
    assert file == RemoteFile(file.url, None, None)


def test_answers_without_base_resp_are_taken_for_what_they_hold(minimax):
    client = client_of(minimax)
    for call in ("create", "query", "retrieve"):
        minimax.next(call, Answer(fields={"base_resp": DROP}))
    task_id = client.create(Order("video-01", "a cat"))
    assert client.query(task_id).phase is Phase.PREPARING
    assert client.locate(minimax.jobs[0].file_id).url


def test_only_what_was_asked_for_is_sent(minimax):
    client = client_of(minimax)
    client.create(Order("video-01", "a cat \N{CAT FACE}"))
    first = b"RIFF\0\0\0\0WEBP"
    client.create(Order("MiniMax-Hailuo-02", "a dog", seconds=10, resolution="512P", first_frame=first, prompt_optimizer=False))
    assert [create.json for create in minimax.creates] == [
        {"model": "video-01", "prompt": "a cat \N{CAT FACE}"},
        {
            "model": "MiniMax-Hailuo-02",
            "prompt": "a dog",
            "duration": 10,
            "resolution": "512P",
            "first_frame_image": f"data:image/webp;base64,{base64.b64encode(first).decode()}",
            "prompt_optimizer": False,
        },
    ]


@pytest.mark.parametrize("spelling", ["{}", "{}/", "{}/v1", "{}/v1/", " {} "])
def test_a_base_url_may_be_pasted_in_any_spelling(minimax, spelling):
    assert client_of(minimax, base_url=spelling.format(minimax.url)).create(Order("video-01", "a cat"))


def test_the_key_and_nothing_else_is_sent_as_authorization(minimax, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    minimax.always("query", Answer(headers={"Set-Cookie": "session=1; Path=/"}))
    client = client_of(minimax, api_key=f" {minimax.key}\n")
    task_id = client.create(Order("video-01", "a cat"))
    client.query(task_id)
    client.query(task_id)
    assert {request.headers["Authorization"] for request in minimax.requests} == {f"Bearer {minimax.key}"}
    assert not any("Cookie" in request.headers for request in minimax.requests)


def test_a_wrong_key_waits_for_the_operator_whatever_characters_it_has(minimax):
    for key in ("wrong", "\N{SNOWMAN}", ""):
        error = failure_of(lambda: client_of(minimax, api_key=key).create(Order("video-01", "a cat")))  # noqa: B023
        assert (error.outcome, error.code, error.provider_code) == (Outcome.OPERATOR, "provider_auth", 1004)
    assert create_failure(client_of(minimax, api_key="two\nlines")) == (Outcome.OPERATOR, "provider_auth")


def test_the_log_tells_the_call_and_its_trace_but_not_the_key(minimax, caplog):
    minimax.next("create", Answer(code=1000, message=f"no luck with {minimax.key}"))
    create_failure(client_of(minimax))
    call, refusal = logs = [record.msg for record in caplog.records]
    assert (call["call"], call["provider_code"], call["trace_id"]) == ("create", 1000, "trace-1")
    assert call["ms"] >= 0
    assert refusal["status_msg"] == "no luck with ***"
    assert minimax.key not in repr(logs)


# ---- Connections ------------------------------------------------------------------------------------------------------


def test_each_create_opens_a_connection_of_its_own_and_queries_share_one(minimax):
    client = client_of(minimax)
    task_ids = [client.create(Order("video-01", "a cat")) for _ in range(3)]
    for task_id in task_ids:
        client.query(task_id)
    assert len({create.connection for create in minimax.creates}) == 3
    assert len({query.connection for query in minimax.calls("query")}) == 1
    assert not {create.connection for create in minimax.creates} & {query.connection for query in minimax.calls("query")}


def test_sixteen_threads_share_one_client(minimax):
    client = client_of(minimax)
    together = threading.Barrier(16)

    def generate(number: int) -> str:
        together.wait()
        task_id = client.create(Order("video-01", f"cat {number}"))
        while (state := client.query(task_id)).phase is not Phase.SUCCEEDED:
            pass
        url = client.locate(state.file_id).url
        with client.download(url, expected_size=None) as clip:
            assert clip.read()[4:8] == b"ftyp"
        return task_id

    with ThreadPoolExecutor(16) as pool:
        task_ids = list(pool.map(generate, range(16)))
    prompts = {job.task_id: job.prompt for job in minimax.jobs}
    assert [prompts[task_id] for task_id in task_ids] == [f"cat {number}" for number in range(16)]


# ---- Time -------------------------------------------------------------------------------------------------------------

SLOW = {
    "silence": Answer(hold=threading.Event()),
    "a dripping body": Answer(drip=BRIEF / 5),
    "dripping headers": Answer(drip_head=BRIEF / 5),
}


@pytest.mark.parametrize("slow", SLOW.values(), ids=SLOW)
def test_an_answer_that_takes_too_long_ends_in_time(minimax, slow):
    client = client_of(minimax, read_seconds=BRIEF)
    job = minimax.make_job({})
    for call in ("create", "query", "retrieve"):
        minimax.next(call, slow)
    started = time.monotonic()
    assert create_failure(client) == MAYBE
    assert failure_of(lambda: client.query(job.task_id)).outcome is Outcome.AGAIN
    assert failure_of(lambda: client.locate(job.file_id)).outcome is Outcome.AGAIN
    assert 3 * BRIEF <= time.monotonic() - started < 25 * BRIEF  # an answer that drips takes more than thirty


CUTS = {
    "before the answer": Answer(cut_after=0, accepted=True),
    "inside the answer": Answer(cut_after=9),
    "no end": Answer(chunked=True, cut_after=9),
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_a_connection_cut_after_sending_leaves_a_create_unknown(minimax, cut):
    client = client_of(minimax)
    minimax.next("create", cut)
    assert create_failure(client) == MAYBE
    assert len(minimax.jobs) == len(minimax.creates) == 1
    minimax.next("query", cut)
    error = failure_of(lambda: client.query(minimax.jobs[0].task_id))
    assert (error.outcome, error.code) == (Outcome.AGAIN, "provider_error")
    assert error.__suppress_context__  # requests' own error holds addresses with all that is in them


def test_a_redirect_is_refused_without_reading_all_that_comes_with_it(minimax):
    minimax.next(
        "create", Answer(302, body=b"", padding=3 * 1024**2, cut_after=2 * 1024**2, headers={"Location": "http://elsewhere.invalid/"})
    )
    assert create_failure(client_of(minimax)) == WRONG_ADDRESS


def test_what_is_no_http_leaves_a_create_unknown():
    with listening(lambda connection: (connection.recv(65536), connection.sendall(b"SSH-2.0-OpenSSH\r\n\r\n"))) as port:
        assert create_failure(v1_at(f"http://127.0.0.1:{port}", connect_seconds=1, read_seconds=1)) == MAYBE


def test_a_large_first_frame_may_take_longer_to_send_than_a_connection_to_open():
    connect_seconds = 0.05

    def read_late(connection: socket.socket) -> None:
        time.sleep(4 * connect_seconds)  # the limit that must not count is a length of time
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
        head, _, body = received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        got = len(body)
        while got < length:
            got += len(connection.recv(1 << 20))
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"task_id": "7"}')

    with listening(read_late) as port:
        client = v1_at(f"http://127.0.0.1:{port}", connect_seconds=connect_seconds, read_seconds=10)
        assert client.create(Order("MiniMax-Hailuo-02", "a cat", first_frame=jpeg(16, 9) + bytes(12 * 1024**2))) == "7"


# ---- Nothing was sent -------------------------------------------------------------------------------------------------


@contextmanager
def listening(serve):
    """A bare server for one connection; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            connection, _ = server.accept()
            with connection:
                serve(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_a_refused_connection_sent_nothing():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    client = v1_at(f"http://127.0.0.1:{port}", connect_seconds=1, read_seconds=1)
    assert create_failure(client) == NOT_SENT
    assert failure_of(lambda: client.query("1")).outcome is Outcome.LATER


def test_a_host_without_an_address_sent_nothing():
    assert create_failure(v1_at("http://minimax.invalid", connect_seconds=1, read_seconds=1)) == NOT_SENT


def test_a_connection_that_does_not_open_in_time_sent_nothing():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, closing(socket.create_connection(server.getsockname())):
        client = v1_at(f"http://127.0.0.1:{server.getsockname()[1]}", connect_seconds=BRIEF, read_seconds=30)
        assert create_failure(client) == NOT_SENT


def test_a_handshake_that_fails_or_stalls_sent_nothing(minimax):
    assert create_failure(client_of(minimax, base_url=minimax.url.replace("http", "https"))) == NOT_SENT
    over = threading.Event()
    with listening(lambda connection: over.wait(10)) as port:
        assert create_failure(v1_at(f"https://127.0.0.1:{port}", connect_seconds=BRIEF, read_seconds=30)) == NOT_SENT
        over.set()


@pytest.mark.parametrize(
    "address", ["api.minimax.io", "", "http://", "ftp://api.minimax.io", "http://[bad", "http://.minimax.io", "http://a:b"]
)
def test_an_address_that_is_none_waits_for_the_operator(address):
    assert create_failure(v1_at(address, connect_seconds=1, read_seconds=1)) == WRONG_ADDRESS


def test_a_proxy_from_the_environment_carries_the_calls(certified, monkeypatch):
    with LookAlike(tls=certified) as minimax, tunnel() as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        client = client_of(minimax)
        assert client.query(client.create(Order("video-01", "a cat"))).phase is Phase.PREPARING
        assert proxy.asked == [minimax.url.removeprefix("https://")] * 2
        minimax.next("create", Answer(cut_after=0))
        assert create_failure(client) == MAYBE


def test_a_proxy_that_opens_no_tunnel_sent_nothing(minimax, monkeypatch):
    monkeypatch.setenv("https_proxy", minimax.url)
    assert create_failure(client_of(minimax, base_url="https://127.0.0.1:9")) == NOT_SENT


# ---- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def certified(tmp_path, monkeypatch) -> ssl.SSLContext:
    """A server's TLS for 127.0.0.1, whose certificate requests is told to trust."""
    context, bundle = server_context(tmp_path, "127.0.0.1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    return context


def test_over_tls_all_is_the_same(certified):
    with LookAlike(tls=certified) as minimax:
        client = client_of(minimax)
        task_id = client.create(Order("video-01", "a cat"))
        assert client.query(task_id).phase is Phase.PREPARING
        with client.download(client.locate(minimax.jobs[0].file_id).url, expected_size=None) as clip:
            assert clip.read() == minimax.video(minimax.jobs[0])
        minimax.next("create", Answer(drip_head=0.1), Answer(cut_after=0))
        started = time.monotonic()
        assert create_failure(client_of(minimax, read_seconds=1)) == MAYBE
        assert time.monotonic() - started < 10  # it would take twenty
        assert create_failure(client) == MAYBE
