"""Lines on the event loop: calls that would wait for each other at a row do so here, where waiting costs no thread and no connection.

One line for each key: whatever moves its money locks its row (keys.locks), and two such calls go at a time: the row never waits for the
way to the call that is next. Other processes have lines of their own; what waits in the database is one call or two of each.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from functools import cache

from conduit.api.turns import Turns
from keys.limits import RateLimited

# Of one line, at its row at once: the one that has it, and the one that gets it in the moment of the other's commit.
AT_ONCE = 2
# How many may stand in one line, and for how long (seconds). Each may hold a body of MAX_BODY_BYTES.
LENGTH_MAX = 200
PATIENCE_SECONDS = 15.0
RETRY_SECONDS = 2


class LineTooLong(RateLimited):
    """As many calls of this key wait for each other as may, or this one has waited for too long."""

    def __init__(self, length: int) -> None:
        super().__init__(
            f"Calls of this key that create, retry or cancel are done one after the other, and too many wait already: the rate limit is "
            f"{length} at once. Try again in {RETRY_SECONDS} seconds, with fewer.",
            code="concurrency_limit_exceeded",
            retry_after=RETRY_SECONDS,
            limit=length,
        )


class Lines:
    """Belongs to one event loop. First come, first served."""

    def __init__(self, *, at_once: int = AT_ONCE, length: int = LENGTH_MAX, patience: float = PATIENCE_SECONDS) -> None:
        self._turns = Turns(at_once)
        self._length = length
        self._patience = patience

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Wait for the turn of that name; it lasts as long as the block.

        Raises:
            LineTooLong: before the block, so that nothing has begun.
        """
        if self._turns.wanted(name) > self._length:
            raise LineTooLong(self._length)
        turn = self._turns.of(name)
        try:
            # Without a clock where nobody is before it.
            async with asyncio.timeout(self._patience) if self._turns.is_scarce(name) else nullcontext():
                await turn.__aenter__()
        except TimeoutError:
            raise LineTooLong(self._length) from None
        try:
            yield
        finally:
            await turn.__aexit__(None, None, None)


@cache
def lines_of_keys() -> Lines:
    """Those of this process, by `keys.authentication.name_of`: for every way on which a call may lock its key's row."""
    return Lines()
