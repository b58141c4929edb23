"""Processes die at random while tasks run: every task ends, no clip is posted twice."""

import collections
import contextlib
import random
import time
from collections.abc import Callable

import pytest
import requests

from tests.e2e.test_generation import generate, jobs, task
from tests.support.running import RunningStack

ENDED = ("completed", "failed", "cancelled")
# Clips by seconds: some of the tasks are chains.
CLIPS = {1: 1, 7: 2}


@pytest.mark.soak
@pytest.mark.parametrize("kills", [6, 50])
def test_ten_tasks_survive_processes_that_are_killed_at_random(start_stack: Callable[..., RunningStack], kills: int):
    chance = random.Random(20261122)
    stack = start_stack(
        LEASE_SECONDS="5", MINIMAX_READ_SECONDS="4", MINIMAX_TIME_SCALE="0.05", RETRY_SECONDS="0.5", RECONCILING_SECONDS_MAX="60"
    )
    unanswered: set[str] = set()
    ids = [generate(stack, f"chaos {number}") for number in range(7)]
    ids += [generate(stack, f"chaos {number}", duration=7, resolution="720x480") for number in range(7, 10)]
    for kill in range(kills):
        generate_if_up(stack, f"more {kill}", ids)
        time.sleep(chance.uniform(0, 1.5))  # the random moment is the experiment
        name = chance.choice(["worker", "worker", "media", "control", "beat", "web", "valkey"])
        pid = stack.kill(name)
        if name == "worker":
            unanswered.update(being_ordered(stack))
        stack.until(lambda name=name, pid=pid: stack.pid(name) not in (None, pid))

    stack.until(stack.is_ready)
    stack.until(lambda: all(task(stack, task_id)["status"] in ENDED for task_id in ids), seconds=300)

    ends = {task_id: task(stack, task_id) for task_id in ids}
    accepted = collections.Counter(job["prompt"] for job in jobs(stack))
    clips = {end["prompt"]: CLIPS[end["duration"]] for end in ends.values()}
    assert [prompt for prompt, count in accepted.items() if count > clips.get(prompt, 1)] == []
    # Who died in the middle of an order took its answer along: nobody may order again, and nobody can tell what became of it.
    may_fail = [end for task_id, end in ends.items() if task_id in unanswered and end["error_code"] == "provider_timeout"]
    others = [end for end in ends.values() if end not in may_fail]
    assert [end for end in others if end["status"] != "completed"] == []
    assert len(others) > len(ids) / 2
    for end in others:
        assert accepted[end["prompt"]] == clips[end["prompt"]] == end["result"]["source"]["clips"]
        assert requests.get(end["result"]["video_url"], timeout=60).status_code == 200


def being_ordered(stack: RunningStack) -> set[str]:
    """The tasks with an order at MiniMax whose answer nobody has written down yet."""
    rows = stack.sql("SELECT video_id FROM videos_clip WHERE state = 'submitting'")
    return {str(task_id) for (task_id,) in rows}


def generate_if_up(stack: RunningStack, prompt: str, ids: list[str]) -> None:
    with contextlib.suppress(requests.RequestException):  # the web process may be the one that was killed
        ids.append(generate(stack, prompt))
