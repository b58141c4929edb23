"""Refusals of one caller leave one after the other: a program that is told at once that it may not comes again at once, some hundred
times a second, and each time costs a thread."""

import asyncio
import time
from collections import OrderedDict

# Of one caller: so many at once, then so many a second, and none later than this (seconds).
BURST, PER_SECOND, LONGEST_SECONDS = 20, 10, 2.0
CALLERS_MAX = 10_000


class Holding:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self._due: OrderedDict[str, float] = OrderedDict()  # when the last of each caller's leaves

    async def hold(self, name: str) -> None:
        """Wait until a refusal of that caller may leave."""
        now = time.monotonic()
        due = max(self._due.get(name, 0.0), now - BURST / PER_SECOND) + 1 / PER_SECOND
        due = self._due[name] = min(due, now + LONGEST_SECONDS)
        self._due.move_to_end(name)
        if len(self._due) > CALLERS_MAX:
            self._due.popitem(last=False)
        if due > now:
            await asyncio.sleep(due - now)
