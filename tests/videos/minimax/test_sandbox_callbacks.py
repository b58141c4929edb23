"""The sandbox calls back: a challenge while the create is open, and what becomes of the job."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from videos.minimax.sandbox import Sandbox


class Listener(ThreadingHTTPServer):
    """Whoever is called back: it answers challenges while `answers`, and keeps what it is told."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = True
        self.told = []
        self.changed = threading.Condition()
        self.url = f"http://127.0.0.1:{self.server_port}/told/1"

    def statuses(self, count):
        """The statuses that were pushed, as soon as there are so many."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.told) >= count, 60)
            return [said.get("status") or said["task"]["status"] for said in self.told]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        answer = said if "challenge" in said and server.answers else {}
        if "challenge" not in said:
            with server.changed:
                server.told.append(said)
                server.changed.notify_all()
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Nothing."""


@pytest.fixture
def listener():
    server = Listener()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def sandbox(tmp_path):
    with Sandbox(tmp_path / "sandbox", time_scale=0.001, clip_scale=8) as server:
        yield server


def create(sandbox, url, prompt="a cat"):
    headers = {"Authorization": "Bearer sandbox"}
    fields = {"model": "video-01", "prompt": prompt, "callback_url": url}
    return requests.post(f"{sandbox.url}/v1/video_generation", json=fields, headers=headers, timeout=60).json()


def test_a_job_tells_that_it_began_and_that_it_is_done(sandbox, listener):
    answer = create(sandbox, listener.url)

    assert answer["base_resp"]["status_code"] == 0
    assert listener.statuses(2) == ["processing", "success"]
    assert [said["task_id"] for said in listener.told] == [answer["task_id"]] * 2
    assert listener.told[1]["file_id"]


@pytest.mark.parametrize(
    ("words", "statuses"),
    [
        ("fail=1027", ["processing", "failed"]),
        ("callbacks-doubled", ["processing", "success", "success", "success"]),
        ("callbacks-reordered", ["success", "processing"]),
        ("callbacks-late=1", ["processing", "success"]),
        ("create lost", ["processing", "success"]),
    ],
)
def test_callbacks_come_as_the_prompt_says(sandbox, listener, words, statuses):
    if words == "create lost":
        with pytest.raises(requests.ConnectionError):
            create(sandbox, listener.url, f"a cat [sandbox: {words}]")
    else:
        create(sandbox, listener.url, f"a cat [sandbox: {words}]")

    assert listener.statuses(len(statuses)) == statuses


def test_a_url_that_does_not_answer_or_is_elsewhere_refuses_the_create(sandbox, listener):
    listener.answers = False
    refused = [create(sandbox, url)["base_resp"] for url in (listener.url, "https://video.example.com/x", "http://127.0.0.1:9/x")]
    listener.answers = True
    refused.append(create(sandbox, listener.url, "a cat [sandbox: unreachable]")["base_resp"])

    assert {(said["status_code"], "fail to check callback url" in said["status_msg"]) for said in refused} == {(2013, True)}
    assert sandbox.jobs() == []


def test_callbacks_that_are_off_get_lost(sandbox, listener):
    create(sandbox, listener.url, "a cat [sandbox: callbacks-off]")
    create(sandbox, listener.url, "a dog")

    assert listener.statuses(2) == ["processing", "success"]
    assert len({said["task_id"] for said in listener.told}) == 1


def test_version_2_calls_back_in_its_own_words(sandbox, listener):
    fields = {"model": "MiniMax-H3", "content": [{"type": "text", "text": "a fish"}], "duration": 4, "callback_url": listener.url}
    headers = {"Authorization": "Bearer sandbox"}
    answer = requests.post(f"{sandbox.url}/v2/video_generation", json=fields, headers=headers, timeout=60).json()

    assert listener.statuses(2) == ["running", "succeeded"]
    assert listener.told[1]["task"]["id"] == answer["task_id"]


def test_a_sandbox_that_was_killed_calls_back_when_it_is_there_again(tmp_path, listener):
    with Sandbox(tmp_path / "home", time_scale=0.02, clip_scale=8) as first:
        create(first, listener.url)
    with Sandbox(tmp_path / "home", time_scale=0.02, clip_scale=8), listener.changed:
        assert listener.changed.wait_for(lambda: listener.told and listener.told[-1]["status"] == "success", 60)


def test_a_late_job_takes_so_many_seconds_more(sandbox, listener):
    create(sandbox, listener.url, "a cat [sandbox: late=30]")

    [job] = sandbox.jobs()
    assert 30 < job["seconds"] < 31
