"""What waits to be sent to one client."""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable


class Waiting:
    """One encoded message. `numbered`: stateful reconnect counts it."""

    __slots__ = ("data", "numbered")

    def __init__(self, data: bytes, numbered: bool) -> None:
        self.data = data
        self.numbered = numbered


class Outbox:
    """Messages in their order; of those that replace each other, only the newest.

    A message that replaces another takes the end of the queue and not the place of the older one: it may tell of what was sent
    in between.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._queue: OrderedDict[Hashable, Waiting] = OrderedDict()
        self._room = asyncio.Event()
        self._room.set()

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, data: bytes, *, numbered: bool, replaces: Hashable | None = None) -> None:
        message = Waiting(data, numbered)
        if replaces is None:
            self._queue[message] = message
        else:
            if older := self._queue.pop((Waiting, replaces), None):
                self.bytes -= len(older.data)
            self._queue[Waiting, replaces] = message
        self.bytes += len(data)

    def put_back(self, data: bytes) -> None:
        """Bytes that were taken and reached nobody."""
        message = Waiting(data, numbered=False)
        self._queue[message] = message
        self._queue.move_to_end(message, last=False)
        self.bytes += len(data)

    def take(self) -> Waiting:
        """The next message. KeyError when there is none."""
        _, message = self._queue.popitem(last=False)
        self.bytes -= len(message.data)
        if not self._queue:
            self._room.set()
        return message

    def clear(self) -> None:
        """Nobody will take what is here."""
        self._queue.clear()
        self.bytes = 0
        self._room.set()

    async def drained(self) -> None:
        """Wait until everything was taken."""
        if self._queue:
            self._room.clear()
            await self._room.wait()
