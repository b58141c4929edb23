"""A limit in real time: the whole stack, sixteen connections that never stop asking, and a Redis that is killed meanwhile."""

import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest
import redis
import requests

from keys.rates import MINUTE
from tests.support.running import RunningStack

pytestmark = pytest.mark.soak

SECONDS = 170
LOOK_EVERY = 10
KILL_AFTER = 90  # between two bursts of accepted calls
PAUSE = 0.1  # seconds before a refused connection asks again
WISH = {"model": "minimax-video", "prompt": "a lighthouse in a storm"}


@pytest.fixture
def stack() -> Iterator[RunningStack]:
    # Clips take as long as MiniMax takes: the processors are there for the calls.
    running = RunningStack(LIMITS_FAIL_OPEN="0", MINIMAX_TIME_SCALE="1")
    try:
        running.start()
        yield running
    finally:
        running.close()


class Caller(threading.Thread):
    """One connection that creates as fast as it is let."""

    def __init__(self, stack: RunningStack, secret: str, until: float) -> None:
        super().__init__()
        self.accepted: list[tuple[float, float]] = []  # when each was sent and when it was answered
        self.statuses: Counter[int] = Counter()
        self._url, self._secret, self._until = f"{stack.url}/v1/video/generations", secret, until

    def run(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {self._secret}"
            while time.monotonic() < self._until:
                sent = time.monotonic()
                status = session.post(self._url, json=WISH, timeout=30).status_code
                self.statuses[status] += 1
                if status == 202:
                    self.accepted.append((sent, time.monotonic()))
                else:
                    time.sleep(PAUSE)


def moments_kept(stack: RunningStack) -> set[int]:
    """When Redis counted the calls that its windows still hold, by its own clock, in microseconds."""
    with redis.Redis.from_url(stack.redis_url) as server:
        return {int(moment) for name in server.scan_iter("conduit:calls:*:creates:minute") for moment in server.lrange(name, 0, -1)}


def test_sixteen_connections_are_given_60_calls_in_any_minute_to_the_last_one_while_redis_is_killed(stack: RunningStack) -> None:
    secret = stack.manage("create_key", "soak", "--rpm", "60").strip()
    until = time.monotonic() + SECONDS
    callers = [Caller(stack, secret, until) for _ in range(16)]
    for caller in callers:
        caller.start()

    counted: set[int] = set()
    for number in range(SECONDS // LOOK_EVERY):
        time.sleep(LOOK_EVERY)
        counted |= moments_kept(stack)
        if number * LOOK_EVERY == KILL_AFTER:
            stack.until_restarted("valkey", stack.kill("valkey"))
    for caller in callers:
        caller.join()
    counted |= moments_kept(stack)

    statuses = sum((caller.statuses for caller in callers), Counter())
    assert set(statuses) == {202, 429, 503}, statuses
    assert len(counted) == statuses[202] == 180
    ordered = sorted(counted)
    assert min(later - earlier for earlier, later in zip(ordered, ordered[60:], strict=False)) >= MINUTE * 1_000_000
    # The callers' own clock can tell of a call only that it was counted between its sending and its answer.
    accepted = [call for caller in callers for call in caller.accepted]
    assert max(sum(begin <= sent and answered <= begin + MINUTE for sent, answered in accepted) for begin, _ in accepted) <= 60
