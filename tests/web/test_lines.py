"""Calls of one key that would wait for each other stand in line on the event loop, some of them at once, and not for ever."""

import asyncio

import pytest

from conduit.web.lines import Lines, LineTooLong


def test_two_of_a_name_go_at_a_time_in_the_order_in_which_they_came_and_others_go_beside():
    async def scenario() -> None:
        lines, log, go = Lines(), list[str](), asyncio.Event()

        async def call(name: str, number: int) -> None:
            async with lines.turn(name):
                log.append(f"{name}{number}")
                await go.wait()

        calls = [asyncio.create_task(call(name, number)) for number in range(4) for name in "ab"]
        await asyncio.sleep(0.01)
        assert log == ["a0", "b0", "a1", "b1"]
        go.set()
        await asyncio.gather(*calls)
        assert [one for one in log if one[0] == "a"] == ["a0", "a1", "a2", "a3"]

    asyncio.run(scenario())


def test_more_than_may_wait_are_told_to_come_back_and_so_is_who_waited_for_too_long():
    async def scenario() -> None:
        lines, go = Lines(at_once=1, length=1), asyncio.Event()

        async def call(lines: Lines) -> None:
            async with lines.turn("key 1"):
                await go.wait()

        first, second = asyncio.create_task(call(lines)), asyncio.create_task(call(lines))
        await asyncio.sleep(0)
        with pytest.raises(LineTooLong) as refused:
            await call(lines)
        assert (refused.value.status, refused.value.code) == (429, "concurrency_limit_exceeded")
        assert int(refused.value.headers["Retry-After"]) > 0
        assert "rate limit" in refused.value.message
        brief = Lines(at_once=1, length=1, patience=0.01)
        third, late = asyncio.create_task(call(brief)), asyncio.create_task(call(brief))
        with pytest.raises(LineTooLong):
            await late
        go.set()
        await asyncio.gather(first, second, third)
        for left in (lines, brief):
            await call(left)  # nothing is left of those that were refused

    asyncio.run(scenario())


def test_who_leaves_the_line_or_fails_in_its_turn_keeps_nobody_waiting():
    async def scenario() -> None:
        lines, go = Lines(at_once=1), asyncio.Event()

        async def call() -> None:
            async with lines.turn("key 1"):
                await go.wait()
                raise ValueError

        calls = [asyncio.create_task(call()) for _ in range(3)]
        await asyncio.sleep(0)
        calls[1].cancel()
        go.set()
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(one) for one in ended] == [ValueError, asyncio.CancelledError, ValueError]

    asyncio.run(scenario())
