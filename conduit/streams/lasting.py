"""Tasks of the event loop that outlive the request that began them."""

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

Found = TypeVar("Found")


def lasting(work: Coroutine[Any, Any, Found]) -> asyncio.Task[Found]:
    """A task that holds nothing of the connection in whose turn it begins: with that one's context it would keep all of it."""
    return asyncio.get_running_loop().create_task(work, context=Context())
