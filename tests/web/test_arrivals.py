"""What is too slow: nothing in its first seconds, and then less than the least rate, or longer than the deadline."""

import asyncio
from typing import Any

import pytest

from conduit.web import arrivals
from conduit.web.arrivals import GRACE_SECONDS, Arrivals
from conduit.web.bounds import Bounds

BOUNDS = Bounds(headers_seconds=20, body_seconds=100, least_bytes_per_second=10, connections_per_address=1, unknown_secrets_per_minute=1)


@pytest.mark.parametrize(
    ("is_body", "age", "size", "is_late"),
    [
        (False, GRACE_SECONDS, 1, False),
        (False, GRACE_SECONDS + 1, 1, True),
        (False, GRACE_SECONDS + 1, 0, False),  # only opened, perhaps for later
        (True, GRACE_SECONDS + 1, 0, True),
        (False, 15, 150, False),
        (False, 15, 149, True),
        (False, 21, 10_000, True),
        (True, 21, 10_000, False),
        (True, 101, 100_000, True),
    ],
)
def test_what_is_late(monkeypatch, is_body, age, size, is_late):
    arrival = arrivals._Arrival(is_body=is_body)
    arrival.size = size
    monkeypatch.setattr("time.monotonic", lambda: arrival.since + age)
    assert Arrivals(BOUNDS)._is_late(arrival) is is_late


class Channel:
    """A connection on which something has begun to come."""

    requests, _buffer = (), b""

    def __init__(self, closed: list[Any]) -> None:
        self.loseConnection = lambda: closed.append(self)


def test_of_many_that_are_late_together_a_few_are_refused_in_each_turn_of_the_loop(monkeypatch):
    async def refuse() -> None:
        closed: list[Any] = []
        looks = Arrivals(BOUNDS)
        channels = [Channel(closed) for _ in range(3 * arrivals.AT_ONCE)]
        for channel in channels:
            looks._begin(channel)
        last = channels[-1]
        monkeypatch.setattr(Arrivals, "_is_late", lambda *_: True)
        looks._looking.cancel()

        looks._look()
        assert closed == channels[: arrivals.AT_ONCE]
        looks._begin(last)  # another request, which has all its time
        while looks._arriving.keys() - {last}:
            before = len(closed)
            await asyncio.sleep(0)
            assert len(closed) - before <= arrivals.AT_ONCE
        assert closed == channels[:-1]
        looks._looking.cancel()

    asyncio.run(refuse())


def test_who_comes_after_many_were_refused_is_looked_at_too(monkeypatch):
    async def refuse() -> None:
        looks = Arrivals(BOUNDS)
        for _ in range(2 * arrivals.AT_ONCE):
            looks._begin(Channel([]))
        monkeypatch.setattr(Arrivals, "_is_late", lambda *_: True)
        looks._looking.cancel()
        looks._look()
        while looks._arriving:
            await asyncio.sleep(0)

        looks._begin(Channel([]))

        assert looks._looking.when() > asyncio.get_running_loop().time()
        looks._looking.cancel()

    asyncio.run(refuse())
