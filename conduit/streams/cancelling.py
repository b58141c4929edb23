"""A task that is cancelled ends, whatever it waits in."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Found = TypeVar("Found")


async def heeding(asked: Awaitable[Found]) -> Found:
    """What was asked for; CancelledError when this task was cancelled meanwhile, although what it waited in kept that for itself.

    Until Python 3.12 `asyncio.wait_for`, in which redis-py sends, hands its result to a task that is cancelled in the very moment of
    it, and the cancellation is lost: whoever cancelled waits for ever for a task that runs on.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        return await asked
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError
