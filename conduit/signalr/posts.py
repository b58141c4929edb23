"""What clients of event streams and long polls send, each POST in its turn: it is answered when it was read."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from conduit.signalr.wires import CHUNK

_OVERHEAD = 4096  # bytes that a waiting POST takes beside its body, or a little more


class Posts:
    """The POSTs under way in this process, by the token of their connection."""

    def __init__(self, most: int) -> None:
        """`most`: bytes that may wait of one connection."""
        self._most = most
        self._bytes: Counter[str] = Counter()
        self._turns: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    async def turn(self, token: str, size: int) -> AsyncIterator[bool]:
        """Wait for those that came before; False at once when too much waits already."""
        if self._bytes[token] and self._bytes[token] + size > self._most:
            yield False
            return
        self._bytes[token] += size + _OVERHEAD
        turns = self._turns.setdefault(token, asyncio.Lock())
        try:
            async with turns:
                yield True
        finally:
            self._bytes[token] -= size + _OVERHEAD
            if not self._bytes[token]:
                del self._bytes[token], self._turns[token]


def pieces_of(body: bytes) -> Iterator[bytes]:
    """The body by pieces that are read in one go; at least one, if it is an empty one."""
    return (body[start : start + CHUNK] for start in range(0, max(1, len(body)), CHUNK))
