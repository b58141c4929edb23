"""Refusals of one caller leave at once while they are few, and then one after the other."""

import asyncio

from conduit.web.holding import BURST, LONGEST_SECONDS, PER_SECOND, Holding


def test_some_leave_at_once_and_more_one_after_the_other_and_others_are_not_held(monkeypatch):
    held: list[float] = []

    async def sleep(seconds: float) -> None:
        held.append(seconds)

    monkeypatch.setattr("time.monotonic", lambda: 1000.0)
    monkeypatch.setattr(asyncio, "sleep", sleep)

    async def scenario() -> None:
        holding = Holding()
        for _ in range(BURST):
            await holding.hold("key 1")
        held.clear()  # the last of them leaves just now, give or take how numbers are rounded
        for _ in range(3):
            await holding.hold("key 1")
        assert [round(seconds * PER_SECOND) for seconds in held] == [1, 2, 3]
        await holding.hold("key 2")
        assert len(held) == 3
        for _ in range(100):
            await holding.hold("key 1")
        assert max(held) == LONGEST_SECONDS

    asyncio.run(scenario())
