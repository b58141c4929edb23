"""The sandbox's V1 calls look like MiniMax's."""

import base64
import http.client
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.support.pictures import png
from tests.videos.minimax.sandbox_driver import BEARER, KEY, LONG_ENOUGH, Driver, driven

IMAGE = f"data:image/png;base64,{base64.b64encode(png()).decode()}"


def test_a_create_is_answered_with_digits_and_a_trace_id(driver: Driver) -> None:
    response = driver.post(model="video-01", prompt="a cat", prompt_optimizer=False)
    answer = response.json()
    assert answer.keys() == {"task_id", "base_resp"}
    assert answer["task_id"].isdigit()
    assert answer["base_resp"] == {"status_code": 0, "status_msg": "success"}
    assert response.headers["Trace-Id"]


def test_ids_are_never_given_twice_however_fast_the_creates_come(driver: Driver) -> None:
    ids = [driver.accepted("a cat") for _ in range(20)]
    assert len(set(ids)) == 20


def test_a_job_goes_through_every_status_and_shows_its_file_only_at_the_end(driver: Driver) -> None:
    task_id = driver.accepted("a slow cat")
    seen = []
    for _ in range(40):
        answer = driver.query(task_id)
        if answer["status"] != "Success":
            assert (answer["file_id"], answer["video_width"], answer["video_height"]) == ("", 0, 0)
        seen.append(answer["status"])
        driver.clock.move(4.5)
    assert list(dict.fromkeys(seen)) == ["Preparing", "Queueing", "Processing", "Success"]
    answer = driver.query(task_id)
    assert answer.keys() == {"task_id", "status", "file_id", "video_width", "video_height", "base_resp"}
    assert answer["task_id"] == task_id
    assert answer["file_id"].isdigit()
    assert (answer["video_width"], answer["video_height"]) == (1280 // 8, 720 // 8)


def test_a_job_takes_its_models_typical_time_within_five_percent_and_the_same_for_each_prompt(driver: Driver) -> None:
    for prompt in ("one", "two", "three", "one"):
        driver.accepted(prompt)
    seconds = [job["seconds"] for job in driver.sandbox.jobs()[:4]]
    assert all(152 <= each <= 168 for each in seconds)
    assert seconds[0] == seconds[3]
    assert len(set(seconds)) == 3


def test_a_time_scale_of_nothing_ends_jobs_at_once(tmp_path: Path) -> None:
    with driven(tmp_path, time_scale=0) as driver:
        assert driver.query(driver.accepted("a cat"))["status"] == "Success"


def test_a_finished_file_is_retrieved_and_downloaded_without_a_bearer(driver: Driver) -> None:
    file_id = driver.ended("a cat")["file_id"]
    answer = driver.retrieve(file_id)
    file = answer["file"]
    assert answer["base_resp"]["status_code"] == 0
    assert file.keys() == {"file_id", "bytes", "created_at", "filename", "purpose", "download_url"}
    assert (file["file_id"], file["purpose"]) == (file_id, "video_generation")
    video = driver.download(file["download_url"])
    assert video.status_code == 200
    assert video.headers["Content-Type"] == "video/mp4"
    assert int(video.headers["Content-Length"]) == file["bytes"] == len(video.content)


def test_a_download_with_a_bearer_is_refused_so_that_a_leaked_key_shows(driver: Driver) -> None:
    assert requests.get(driver.link("a cat"), headers=BEARER, timeout=60).status_code == 400


def test_a_link_dies_after_its_time_and_a_fresh_one_is_given(tmp_path: Path) -> None:
    with driven(tmp_path, link_seconds=10) as driver:
        file_id = driver.ended("a cat")["file_id"]
        old = driver.retrieve(file_id)["file"]["download_url"]
        driver.clock.move(10)
        assert driver.download(old).status_code == 200
        driver.clock.move(1)
        dead = driver.download(old)
        assert (dead.status_code, dead.headers["Content-Type"]) == (403, "application/xml")
        assert driver.download(driver.retrieve(file_id)["file"]["download_url"]).status_code == 200


@pytest.mark.parametrize("change", [("signature=", "signature=0"), ("expires=", "expires=9"), ("/output.mp4", "/other.mp4"), ("?", "?x=")])
def test_a_link_that_was_tampered_with_is_refused(driver: Driver, change: tuple[str, str]) -> None:
    assert driver.download(driver.link("a cat").replace(*change)).status_code == 403


@pytest.mark.parametrize(("method", "path"), [("POST", "video_generation"), ("GET", "query/video_generation"), ("GET", "files/retrieve")])
@pytest.mark.parametrize(("headers", "code"), [({}, 1004), ({"Authorization": KEY}, 1004), ({"Authorization": "Bearer other"}, 2049)])
def test_a_missing_or_wrong_key_is_refused_inside_http_200(
    driver: Driver, method: str, path: str, headers: dict[str, str], code: int
) -> None:
    response = requests.request(method, f"{driver.sandbox.url}/v1/{path}", headers=headers, json={}, timeout=60)
    assert response.status_code == 200
    assert response.json()["base_resp"]["status_code"] == code


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("video-01", {}),
        ("video-01", {"duration": 6, "resolution": "720P", "first_frame_image": IMAGE}),
        ("T2V-01", {}),
        ("T2V-01-Director", {}),
        ("I2V-01", {"first_frame_image": IMAGE}),
        ("I2V-01-live", {"first_frame_image": "https://example.com/a.png"}),
        ("MiniMax-Hailuo-02", {}),
        ("MiniMax-Hailuo-02", {"duration": 10, "resolution": "512P", "first_frame_image": IMAGE}),
        ("MiniMax-Hailuo-2.3", {"duration": 10}),
        ("MiniMax-Hailuo-2.3", {"resolution": "1080P"}),
        ("MiniMax-Hailuo-2.3-Fast", {"duration": 10, "resolution": "768P", "first_frame_image": IMAGE}),
    ],
)
def test_what_a_model_makes_is_accepted(driver: Driver, model: str, fields: dict[str, object]) -> None:
    assert driver.create("a cat", model=model, **fields)["base_resp"]["status_code"] == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "video-02"},
        {"model": None},
        {"model": ["video-01"]},
        {"prompt": ""},
        {"prompt": "x" * 2001},
        {"prompt": 7},
        {"prompt_optimizer": "yes"},
        {"duration": 10},
        {"duration": "6"},
        {"duration": True},
        {"resolution": "1080P"},
        {"resolution": 720},
        {"first_frame_image": "a.png"},
        {"first_frame_image": "data:image/gif;base64,AAAA"},
        {"first_frame_image": "data:image/png;base64,???"},
        {"first_frame_image": "data:image/png;base64,"},
        {"first_frame_image": {}},
        {"model": "T2V-01", "first_frame_image": IMAGE},
        {"model": "I2V-01"},
        {"model": "MiniMax-Hailuo-02", "resolution": "512P"},
        {"model": "MiniMax-Hailuo-02", "resolution": "1080P", "duration": 10},
        {"model": "MiniMax-Hailuo-2.3", "resolution": "512P", "first_frame_image": IMAGE},
        {"model": "MiniMax-Hailuo-2.3-Fast"},
    ],
)
def test_what_a_model_does_not_make_is_refused_with_2013_and_makes_no_job(driver: Driver, fields: dict[str, object]) -> None:
    before = len(driver.sandbox.jobs())
    answer = driver.post(**{"model": "video-01", "prompt": "a cat"} | fields).json()
    assert answer["task_id"] == ""
    assert answer["base_resp"]["status_code"] == 2013
    assert len(driver.sandbox.jobs()) == before


def test_a_prompt_of_2000_characters_beyond_ascii_is_accepted_and_comes_back_whole(driver: Driver) -> None:
    prompt = "猫" * 1998 + '"\n'
    driver.accepted(prompt)
    assert driver.get("/sandbox/jobs").json()[0]["prompt"] == prompt


def test_a_forbidden_prompt_is_refused_by_moderation(driver: Driver) -> None:
    assert driver.create("a Forbidden-by-MiniMax cat")["base_resp"]["status_code"] == 1026


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"model": ' + b"9" * 5000 + b"}"])
def test_a_body_that_is_no_object_is_refused_with_2013(driver: Driver, body: bytes) -> None:
    response = driver.http.post(f"{driver.sandbox.url}/v1/video_generation", data=body, headers=BEARER, timeout=60)
    assert response.json()["base_resp"]["status_code"] == 2013


def test_a_lone_surrogate_in_a_prompt_does_no_harm(driver: Driver) -> None:
    body = b'{"model": "video-01", "prompt": "a \\ud800 cat"}'
    response = driver.http.post(f"{driver.sandbox.url}/v1/video_generation", data=body, headers=BEARER, timeout=60)
    driver.clock.move(LONG_ENOUGH)
    file_id = driver.query(response.json()["task_id"])["file_id"]
    assert driver.retrieve(file_id)["file"]["bytes"] > 0


@pytest.mark.parametrize("task_id", ["", "1", "x", "²", "9" * 300, "-1"])
def test_an_unknown_task_or_file_is_refused_with_2013(driver: Driver, task_id: str) -> None:
    assert driver.query(task_id)["base_resp"]["status_code"] == 2013
    assert driver.retrieve(task_id)["base_resp"]["status_code"] == 2013


def test_the_file_of_a_running_job_is_not_handed_out(driver: Driver) -> None:
    driver.accepted("a cat")
    assert driver.retrieve(driver.sandbox.jobs()[0]["file_id"])["base_resp"]["status_code"] == 2013


def raw(driver: Driver, request: bytes) -> bytes:
    """What the sandbox answers to these bytes, with its host among the headers if there are any, until it closes."""
    host = urlsplit(driver.sandbox.url)
    with socket.create_connection(("127.0.0.1", host.port or 0), timeout=60) as connection:
        connection.sendall(request.replace(b" HTTP/1.1\r\n", b" HTTP/1.1\r\nHost: %s\r\n" % host.netloc.encode(), 1))
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /nowhere HTTP/1.1\r\n\r\n", 404),
        (b"GET http://[/ HTTP/1.1\r\n\r\n", 400),
        (b"PUT /v1/video_generation HTTP/1.1\r\n\r\n", 501),
        (b"POST /v1/video_generation HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /v1/video_generation HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
        (b"POST /v1/video_generation HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
    ],
)
def test_bad_http_gets_a_status_with_a_trace_id_and_never_a_traceback(driver: Driver, request_bytes: bytes, status: int) -> None:
    answer = raw(driver, request_bytes)
    assert b"Traceback" not in answer
    assert b"\r\nTrace-Id: " in answer or not answer.startswith(b"HTTP/")  # a line that is no HTTP is answered as HTTP/0.9
    assert b" %d " % status in answer.split(b"\r\n")[0] or b"code: %d" % status in answer
    assert driver.accepted("still there")


def test_a_body_that_is_too_large_is_refused_after_it_was_read(driver: Driver) -> None:
    response = driver.http.post(f"{driver.sandbox.url}/v1/video_generation", data=b"x" * (61 * 1024 * 1024), headers=BEARER, timeout=60)
    assert response.status_code == 413


def test_a_client_that_leaves_within_its_body_makes_no_job(driver: Driver) -> None:
    before = len(driver.sandbox.jobs())
    head = f"POST /v1/video_generation HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 1000\r\n\r\n"
    assert raw(driver, head.encode() + b'{"model": "video-01", "prompt": "a cat"}') == b""
    assert len(driver.sandbox.jobs()) == before


def test_connections_are_kept_alive(driver: Driver) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(driver.sandbox.url).port, timeout=60)
    connection.connect()
    first = connection.sock
    for _ in range(3):
        connection.request("GET", "/v1/query/video_generation?task_id=1", headers=BEARER)
        connection.getresponse().read()
        assert connection.sock is first
    connection.close()


def test_the_log_tells_every_request_and_what_was_answered(tmp_path: Path) -> None:
    with driven(tmp_path) as driver:
        refused = driver.create("")
        link = driver.link("a cat")
        driver.download(link)
        driver.get("/nowhere")
        log = driver.get("/sandbox/log").json()
        task_id = driver.sandbox.jobs()[0]["task_id"]
    assert refused["base_resp"]["status_code"] == 2013
    assert [(entry["call"], entry["http"], entry["code"], entry.get("task_id")) for entry in log] == [
        ("create", 200, 2013, None),
        ("create", 200, 0, task_id),
        ("query", 200, 0, task_id),
        ("retrieve", 200, 0, task_id),
        ("download", 200, None, task_id),
        ("unknown", 404, None, None),
    ]
    assert log[1]["prompt"] == "a cat"
    assert log[2]["status"] == "Success"
    assert "signature" not in str(log)
    assert KEY not in str([entry | {"path": ""} for entry in log])


@pytest.mark.parametrize("path", ["/sandbox/jobs", "/sandbox/bill", "/v1/query/video_generation?task_id=1", "/nothing"])
@pytest.mark.parametrize(
    "host", ["rebound.example:{port}", "rebound.example", "127.0.0.1", "127.0.0.1:1", "localhost.rebound.example:{port}", ""]
)
def test_a_host_that_is_not_its_own_on_the_loopback_is_421(driver: Driver, path: str, host: str) -> None:
    port = urlsplit(driver.sandbox.url).port
    headers = BEARER | {"Host": host.format(port=port)}
    for method in ("GET", "POST"):
        answer = requests.request(method, f"{driver.sandbox.url}{path}", headers=headers, timeout=60)
        assert (answer.status_code, answer.headers["Connection"]) == (421, "close")


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_every_name_of_the_loopback_is_its_own(driver: Driver, name: str) -> None:
    headers = BEARER | {"Host": f"{name}:{urlsplit(driver.sandbox.url).port}"}
    assert requests.get(f"{driver.sandbox.url}/sandbox/jobs", headers=headers, timeout=60).status_code == 200
