"""`manage.py demo`: one command, one video, and clear words when there is none; its home is any stack's afterwards."""

import json
import os
import signal
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
import requests

from tests.support.check_demo import faults
from tests.support.running import RunningStack


@pytest.mark.soak  # what comes before a change makes and checks a demo in a clean clone anyway
def test_a_home_serves_what_a_demo_made_and_a_kill_leaves_nothing_that_runs() -> None:
    """One home with SQLite, as a newcomer has it, through two starts. What a demo says that the API refuses: tests/stack."""
    with closing(RunningStack(sqlite=True, SANDBOX_CLIP_SCALE="1")) as stack:
        _makes_one_video_says_where_and_stops(stack, stack.demo())
        _serves_what_the_demo_made(stack)
        _leaves_no_process_behind_when_it_is_killed(stack)


def _makes_one_video_says_where_and_stops(stack: RunningStack, done: "subprocess.CompletedProcess[str]") -> None:
    assert (done.returncode, done.stderr) == (0, "")
    saved = stack.home / "demo"
    assert faults(saved) == []
    for word in (*map(str, saved.iterdir()), "1280x720", "condt_", "/admin/", "/#token=condt_ct_", "Demo key:", "Login:     demo / "):
        assert word in done.stdout
    assert done.stdout.count("MiniMax sandbox:") == 1
    assert os.stat(stack.home / "demo.json").st_mode & 0o077 == 0
    assert not (stack.home / "run.env").exists()


def _serves_what_the_demo_made(stack: RunningStack) -> None:
    stack.secret = json.loads((stack.home / "demo.json").read_text())["key"]
    stack.start()
    [task] = stack.call("GET", "/v1/tasks").json()["data"]
    assert task["status"] == "completed"
    [saved] = (stack.home / "demo").glob("*.mp4")
    assert requests.get(task["result"]["video_url"], timeout=60).content == saved.read_bytes()


def _leaves_no_process_behind_when_it_is_killed(stack: RunningStack) -> None:
    stack.until(lambda: bool(_children(stack.pid("media") or 0)))
    pids = [stack.pid(name) for name in ("web", "worker", "media", "control", "beat", "sandbox", "valkey")]
    children = [child for pid in pids if pid for child in _children(pid)]
    stack.stop(signal.SIGKILL)
    stack.until(lambda: not any(_runs(pid) for pid in (*pids, *children)))


@pytest.mark.soak
def test_a_demo_of_another_length_and_size_saves_exactly_that() -> None:
    stack = RunningStack(sqlite=True, SANDBOX_CLIP_SCALE="1")
    done = stack.demo(DURATION="12", RESOLUTION="1080x1920", MINIMAX_TIME_SCALE="0.01")
    assert (done.returncode, done.stderr) == (0, "")
    assert faults(stack.home / "demo", seconds=12, size="1080x1920") == []
    assert "2 clips of video-01, 720x1280, 25 fps" in done.stdout


def _children(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for thread in threads for child in (thread / "children").read_text().split()]


def _runs(pid: int | None) -> bool:
    """Whether the process runs; one that ended but was not collected yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
