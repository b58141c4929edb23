"""What the sandbox was told outlives it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.videos.minimax.sandbox_driver import BEARER, Clock, driven
from videos.minimax.sandbox import Sandbox

OWN_PROCESS = """
import sys, threading
from pathlib import Path
from videos.minimax.sandbox import Sandbox
print(Sandbox(Path(sys.argv[1]), time_scale=1.0, clip_scale=8).start().url, flush=True)
threading.Event().wait()
"""


@contextmanager
def own_process(home: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    root = Path(__file__).parents[3]
    with subprocess.Popen([sys.executable, "-c", OWN_PROCESS, str(home)], stdout=subprocess.PIPE, text=True, cwd=root) as process:
        try:
            assert process.stdout
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_jobs_log_and_struck_faults_outlive_a_sigkill(tmp_path: Path) -> None:
    prompt = "a cat [sandbox: create status=1002 times=2; query status=1001; numeric-ids]"
    fields = {"model": "video-01", "prompt": prompt}
    with own_process(tmp_path) as (process, url):
        first = requests.post(f"{url}/v1/video_generation", json=fields, headers=BEARER, timeout=60).json()
        process.kill()
        process.wait()
    with own_process(tmp_path) as (process, url):
        told = [requests.post(f"{url}/v1/video_generation", json=fields, headers=BEARER, timeout=60).json() for _ in range(2)]
        task_id = told[1]["task_id"]
        asked = requests.get(f"{url}/v1/query/video_generation", params={"task_id": task_id}, headers=BEARER, timeout=60).json()
        process.kill()
        process.wait()
    assert [answer["base_resp"]["status_code"] for answer in (first, *told, asked)] == [1002, 1002, 0, 1001]
    with Sandbox(tmp_path, time_scale=1.0, clip_scale=8) as sandbox:
        answer = requests.get(f"{sandbox.url}/v1/query/video_generation", params={"task_id": task_id}, headers=BEARER, timeout=60).json()
        assert (answer["task_id"], answer["base_resp"]["status_code"]) == (task_id, 0)
        assert isinstance(answer["task_id"], int)
        assert [(entry["call"], entry["code"]) for entry in sandbox.log()] == [
            ("create", 1002),
            ("create", 1002),
            ("create", 0),
            ("query", 1001),
            ("query", 0),
        ]


def test_a_job_goes_on_while_the_sandbox_is_down_and_its_link_still_works(tmp_path: Path) -> None:
    clock = Clock()
    with driven(tmp_path, clock=clock) as driver:
        task_id = driver.accepted("a cat")
        port = int(driver.sandbox.url.rpartition(":")[2])
    clock.move(200)
    with driven(tmp_path, clock=clock, port=port, time_scale=9.0) as driver:
        link = driver.retrieve(driver.query(task_id)["file_id"])["file"]["download_url"]
    with driven(tmp_path, clock=clock, port=port) as driver:
        assert driver.download(link).headers["Content-Type"] == "video/mp4"
        assert int(driver.accepted("another")) > int(task_id)


def test_a_record_that_was_torn_is_dropped_and_the_next_one_is_whole(tmp_path: Path) -> None:
    clock = Clock()
    with driven(tmp_path, clock=clock) as driver:
        kept = driver.accepted("kept")
    for name in ("jobs.jsonl", "log.jsonl"):
        with (tmp_path / name).open("a") as file:
            file.write('{"task_id": 5, "pro')
    with driven(tmp_path, clock=clock) as driver:
        added = driver.accepted("added")
    with driven(tmp_path, clock=clock) as driver:
        assert [job["task_id"] for job in driver.sandbox.jobs()] == [added, kept]
        assert [entry["task_id"] for entry in driver.sandbox.log()] == [kept, added]


def test_a_log_that_grew_large_is_set_aside_at_the_next_start(tmp_path: Path) -> None:
    with driven(tmp_path) as driver:
        driver.accepted("a cat")
    os.truncate(tmp_path / "log.jsonl", 65 * 1024 * 1024)
    with driven(tmp_path) as driver:
        assert driver.sandbox.log() == []
        assert len(driver.sandbox.jobs()) == 1


def test_a_taken_port_is_an_error_that_says_so(tmp_path: Path) -> None:
    with driven(tmp_path / "one") as driver:
        port = int(driver.sandbox.url.rpartition(":")[2])
        with pytest.raises(OSError, match="Address already in use"):
            Sandbox(tmp_path / "two", port=port).start()


def test_what_the_sandbox_keeps_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    with driven(tmp_path / "home") as driver:
        driver.link("a cat")
    assert (tmp_path / "home").stat().st_mode & 0o077 == 0
    assert all((tmp_path / "home" / name).stat().st_mode & 0o077 == 0 for name in ("jobs.jsonl", "log.jsonl", "clips"))


def test_the_sandbox_imports_nothing_of_conduit_or_django() -> None:
    code = "import sys, videos.minimax.sandbox; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    assert not {"django", "conduit", "keys", "tasks", "requests"} & set(told.stdout.split())


def test_a_journal_of_before_there_were_frames_and_ratios_is_still_read(tmp_path: Path) -> None:
    old = {"task_id": 7, "file_id": 8, "model": "video-01", "prompt": "a cat", "length": 6, "size": "720P", "created_at": 0.0}
    (tmp_path / "jobs.jsonl").write_text(json.dumps(old | {"seconds": 8.0, "faults": ["create numeric-ids"]}) + "\n")
    with driven(tmp_path) as driver:
        assert driver.query(7)["file_id"] == 8
        assert driver.download(driver.retrieve(8)["file"]["download_url"]).headers["Content-Type"] == "video/mp4"


def test_a_cancelled_job_stays_cancelled_and_a_forgotten_one_forgotten(tmp_path: Path) -> None:
    clock = Clock()
    fields = {"model": "MiniMax-H3", "content": [{"type": "text", "text": "a cat"}]}

    def jobs(url: str, method: str, path: str) -> int:
        return requests.request(method, f"{url}/v2/{path}", json=fields, headers=BEARER, timeout=60).status_code

    with driven(tmp_path, clock=clock) as driver:
        url = f"{driver.sandbox.url}/v2/video_generation"
        finished, waiting = (requests.post(url, json=fields, headers=BEARER, timeout=60).json()["task_id"] for _ in range(2))
        assert jobs(driver.sandbox.url, "DELETE", f"video_generation/{waiting}") == 200
        clock.move(1000)
        assert jobs(driver.sandbox.url, "DELETE", f"video_generation/{finished}") == 200
    with driven(tmp_path, clock=clock) as driver:
        assert driver.get(f"/v2/query/video_generation/{waiting}").json()["task"]["status"] == "cancelled"
        assert jobs(driver.sandbox.url, "GET", f"query/video_generation/{finished}") == 404
        assert [(line["id"], line["billed"]) for line in driver.sandbox.bill()["lines"]] == [(waiting, False), (finished, True)]
