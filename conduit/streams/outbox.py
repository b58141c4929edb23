"""What waits to be sent to one client."""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable, Sized
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Sized)


class Outbox(Generic[Item]):
    """Messages in their order; of those that replace each other, only the newest.

    A message that replaces another takes the end of the queue and not the place of the older one: it may tell of what was sent
    in between. A message's `len` is what it takes.
    """

    def __init__(self) -> None:
        self.bytes = 0  # of what waits
        self.is_sealed = False
        self._queue: OrderedDict[Hashable, Item] = OrderedDict()
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, message: Item, *, replaces: Hashable | None = None) -> None:
        """`replaces`: of the messages with an equal token that wait, only this one remains."""
        if self.is_sealed:
            return
        if replaces is None:
            self._queue[object()] = message
        else:
            if (older := self._queue.pop((Outbox, replaces), None)) is not None:
                self.bytes -= len(older)
            self._queue[Outbox, replaces] = message
        self._put(message)

    def put_back(self, message: Item) -> None:
        """What was taken and reached nobody."""
        token = object()
        self._queue[token] = message
        self._queue.move_to_end(token, last=False)
        self._put(message)

    def _put(self, message: Item) -> None:
        self.bytes += len(message)
        self._filled.set()
        self._emptied.clear()

    def take(self) -> Item:
        """The next message. KeyError when there is none."""
        _, message = self._queue.popitem(last=False)
        self.bytes -= len(message)
        if not self._queue:
            self._empty()
        return message

    async def next(self) -> Item | None:
        """The next message, once there is one; None after the last of a sealed box."""
        await self._filled.wait()
        return self.take() if self._queue else None

    def seal(self) -> None:
        """Nothing comes after what waits now."""
        self.is_sealed = True
        self._filled.set()

    def clear(self) -> None:
        """Nobody will take what is here."""
        self._queue.clear()
        self.bytes = 0
        self._empty()

    def _empty(self) -> None:
        self._emptied.set()
        if not self.is_sealed:
            self._filled.clear()

    async def drained(self) -> None:
        """Wait until everything was taken."""
        await self._emptied.wait()
