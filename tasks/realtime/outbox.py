"""What waits to be sent on one plain stream."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from tasks.notices import Notice

Form = TypeVar("Form", str, bytes)


class Outbox(Generic[Form]):
    """Notices in their order as they go over the wire; of one task's progress, only the newest, where it came last."""

    def __init__(self, form: Callable[[Notice], Form]) -> None:
        self._form: Callable[[Notice], Form] = form
        self.bytes = 0  # of what waits
        self._queue: dict[object, Form] = {}
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self.is_sealed = False

    def put(self, notice: Notice) -> None:
        text = notice.rendered(self._form)
        if notice.is_coalesced:
            self.bytes -= len(self._queue.pop(notice.task_id, ""))
            self._append(notice.task_id, text)
        else:
            self._append(object(), text)

    def _append(self, name: object, text: Form) -> None:
        if self.is_sealed:
            return
        self._queue[name] = text
        self.bytes += len(text)
        self._filled.set()
        self._drained.clear()

    def say(self, text: Form) -> None:
        """Put what is no notice: an error, a pong."""
        self._append(object(), text)

    def seal(self) -> None:
        """Nothing comes after what waits now."""
        self.is_sealed = True
        self._filled.set()

    async def take(self) -> Form | None:
        """The next one, when there is one; None after the last of a sealed box."""
        await self._filled.wait()
        if not self._queue:
            return None
        name = next(iter(self._queue))
        text = self._queue.pop(name)
        self.bytes -= len(text)
        if not self._queue:
            self._drained.set()
            if not self.is_sealed:
                self._filled.clear()
        return text

    async def drained(self) -> None:
        """Wait until everything was taken."""
        await self._drained.wait()
