"""Idempotency-Key over real HTTP, to the processes that serve."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.support.marks import SOAK_ON_SQLITE
from tests.support.running import RunningStack

# A stack of its own is half a minute there: what SQLite itself does is tried without one in test_idempotency_races.py.
pytestmark = [pytest.mark.sqlite, *SOAK_ON_SQLITE]

AT_ONCE = 16


def send(stack: RunningStack, key: str) -> requests.Response:
    """The call on a connection of its own."""
    with requests.Session() as session:
        session.trust_env = False
        return session.post(
            f"{stack.url}/v1/video/generations",
            json={"model": "minimax-video", "prompt": key},
            headers={"Authorization": f"Bearer {stack.secret}", "Idempotency-Key": key},
            timeout=90,
        )


def prompts(stack: RunningStack) -> list[str]:
    """What each task was asked for."""
    return [task["prompt"] for task in stack.call("GET", "/v1/tasks?limit=100").json()["data"]]


def test_sixteen_connections_with_one_key_get_one_answer(stack):
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: send(stack, "at-once"), range(AT_ONCE)))

    assert [answer.status_code for answer in answers] == [202] * AT_ONCE
    assert len({answer.content for answer in answers}) == 1
    assert sum(answer.headers.get("Idempotent-Replayed") == "true" for answer in answers) == AT_ONCE - 1
    assert prompts(stack).count("at-once") == 1


@pytest.mark.soak  # without a stack: test_idempotency_races.py
def test_calls_that_a_killed_server_never_answered_are_sent_again_and_done_once(stack):
    keys = [f"killed-{number}" for number in range(AT_ONCE)]

    def answered(key: str) -> bool:
        try:
            return send(stack, key).status_code == 202
        except requests.RequestException:
            return False

    with ThreadPoolExecutor(AT_ONCE) as pool:
        calls = [pool.submit(answered, key) for key in keys]
        stack.until(lambda: any(call.done() for call in calls))
        killed = stack.kill("web")
        first = [call.result() for call in calls]
    stack.until_restarted("web", killed)
    again = [send(stack, key) for key in keys]

    assert [answer.status_code for answer in again] == [202] * AT_ONCE
    # Whoever had an answer gets it again; of the others nobody knows, and each is done all the same, once.
    assert all("Idempotent-Replayed" in answer.headers for answer, was in zip(again, first, strict=True) if was)
    assert sorted(prompt for prompt in prompts(stack) if prompt.startswith("killed-")) == sorted(keys)
