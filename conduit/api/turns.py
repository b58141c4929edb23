"""Turns at something scarce, so many at once for each of those who want it, and in the order in which they came."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Belongs to one event loop. Names that nobody waits under are forgotten."""

    def __init__(self, at_once: int) -> None:
        """`at_once`: of each name."""
        self._at_once = at_once
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._users: Counter[str] = Counter()

    def wanted(self, name: str) -> int:
        """How many under that name have a turn or wait for one."""
        return self._users[name]

    def is_scarce(self, name: str) -> bool:
        """Whether the next one under that name has to wait for its turn."""
        return self._users[name] >= self._at_once

    @asynccontextmanager
    async def of(self, name: str) -> AsyncIterator[None]:
        turns = self._turns.setdefault(name, asyncio.Semaphore(self._at_once))
        self._users[name] += 1
        try:
            async with turns:
                yield
        finally:
            self._users[name] -= 1
            if not self._users[name]:
                del self._users[name], self._turns[name]
