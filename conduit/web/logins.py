"""What requests are answered that look at a password when too many wait to."""

import asyncio
import random
from collections.abc import Mapping
from typing import Any

from conduit.api.policy import HEADER
from conduit.console.passwords import TooManyLogins, too_many_logins_page
from conduit.console.security.policy import page_policy

# Told at once, a program that tries passwords comes again at once, some hundred times a second: so many at a time are told after about
# so long (seconds). It costs no thread.
HELD_MAX, HOLD_SECONDS = 100, 1.0

_held = 0


async def too_many_logins(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
    """An ASGI application that answers a page, a little late."""
    await _hold()
    error, page = TooManyLogins(), too_many_logins_page().encode()
    headers = {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(page)), "Cache-Control": "no-store", **error.headers}
    headers[HEADER] = page_policy()
    given = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": given})
    await send({"type": "http.response.body", "body": page})


async def _hold() -> None:
    global _held
    if _held >= HELD_MAX:
        return
    _held += 1
    try:
        await asyncio.sleep(HOLD_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
    finally:
        _held -= 1
