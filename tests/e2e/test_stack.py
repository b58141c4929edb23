"""The real stack starts, makes a video, survives the death of each of its processes, and stops."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.support.running import RunningStack

pytestmark = pytest.mark.sqlite


def _finished(stack: RunningStack, task_id: str) -> bool:
    try:
        return stack.call("GET", f"/v1/tasks/{task_id}").json()["status"] not in ("queued", "processing")
    except requests.ConnectionError:  # the web process may be the one that was killed
        return False


def test_a_prompt_becomes_a_video_that_can_be_fetched(stack: RunningStack) -> None:
    created = stack.call("POST", "/v1/video/generations", json={"model": "minimax-video", "prompt": "a lighthouse"})
    assert created.status_code == 202, created.text
    task_id = created.json()["task_id"]
    stack.until(lambda: _finished(stack, task_id))
    task = stack.call("GET", f"/v1/tasks/{task_id}").json()
    assert task["status"] == "completed", task
    assert requests.get(task["result"]["video_url"], timeout=10).headers["Content-Type"] == "video/mp4"


@pytest.mark.parametrize("name", ["web", "worker", "media", "control", "beat", "sandbox", "valkey"])
def test_a_task_completes_although_one_process_is_killed_meanwhile(stack: RunningStack, name: str) -> None:
    stack.until(stack.is_ready)
    task_id = stack.call(
        "POST", "/v1/video/generations", json={"model": "minimax-video", "prompt": f"a lighthouse without its {name}"}
    ).json()["task_id"]
    stack.until(lambda: stack.call("GET", f"/v1/tasks/{task_id}").json()["stage"] not in ("queued", "preparing"))
    killed = stack.kill(name)
    stack.until_restarted(name, killed)
    stack.until(lambda: _finished(stack, task_id), seconds=120)
    task = stack.call("GET", f"/v1/tasks/{task_id}").json()
    assert task["status"] == "completed", task


def test_a_stack_stops_with_status_zero_and_starts_again_on_its_home(start_stack: Callable[..., RunningStack]) -> None:
    stack = start_stack()
    assert stack.stop(signal.SIGINT) == 0
    stack.start()
    assert stack.call("GET", "/v1/tasks").json()["data"] == []
    assert stack.stop() == 0


def test_a_killed_stack_leaves_no_process_behind_and_starts_again_at_once(start_stack: Callable[..., RunningStack]) -> None:
    stack = start_stack()
    pids = [stack.pid(name) for name in ("web", "worker", "media", "control", "beat", "sandbox", "valkey")]
    children = [child for pid in pids if pid for child in _children(pid)]
    assert children  # the media worker's
    stack.stop(signal.SIGKILL)
    stack.until(lambda: not any(_runs(pid) for pid in (*pids, *children)))
    stack.start()
    assert stack.is_ready()


def _children(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for thread in threads for child in (thread / "children").read_text().split()]


def _runs(pid: int | None) -> bool:
    """Whether the process runs; one that ended but was not collected yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
