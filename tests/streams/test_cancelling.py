"""A task that is cancelled ends, although what it waits in keeps that for itself."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from conduit.streams.cancelling import heeding


async def _swallows() -> str:
    """As `asyncio.wait_for` does before Python 3.12, when what it waits for is done in the same moment."""
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    return "done"


async def _swallows_and_fails() -> str:
    await _swallows()
    raise OSError


@pytest.mark.parametrize("asked", [_swallows, _swallows_and_fails])
def test_who_is_cancelled_meanwhile_is(asked: Callable[[], Awaitable[str]]) -> None:
    async def case() -> None:
        asking = asyncio.ensure_future(heeding(asked()))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(case())


def test_a_time_limit_inside_is_no_cancellation_and_one_outside_ends_what_keeps_it_for_itself() -> None:
    async def late() -> str:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        return "late"

    async def case() -> None:
        assert await heeding(late()) == "late"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await heeding(_swallows())

    asyncio.run(case())


def test_who_was_cancelled_before_may_still_ask_for_what_it_does_at_its_end() -> None:
    async def ends() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return await heeding(asyncio.sleep(0, "told"))
        raise AssertionError

    async def case() -> None:
        ending = asyncio.ensure_future(ends())
        await asyncio.sleep(0)
        ending.cancel()
        assert await ending == "told"

    asyncio.run(case())
