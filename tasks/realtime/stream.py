"""Plain streams: what they are told, and how they end. The wire, WebSocket or server-sent events, is drawn elsewhere."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Hashable, Mapping
from contextlib import aclosing, suppress
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.conf import settings

from conduit import clock
from conduit.api.errors import ApiError, NotFound
from conduit.metrics import note
from conduit.streams.gate import Gate
from conduit.streams.outbox import Outbox
from keys.client_tokens import Right, check_right
from tasks import history
from tasks.history import NotKept
from tasks.models import Task
from tasks.notices import ENDS, Notice, resync
from tasks.presentation import show
from tasks.realtime.connections import Caller
from tasks.realtime.feeds import Draining, Feeds
from tasks.realtime.metrics import OPENED, PLAIN, RESUMED

# How often a stream whose reader takes nothing looks whether it is over, and how long the reader may go on so then, in seconds. A reader
# that takes the rest gets it, however long it takes a process with much to do to send it.
LOOK_SECONDS = 1.0
CLOSING_SECONDS = 5.0
# How many times the bound may wait for a reader that took what came until a moment ago.
BURST = 4
# What may wait of a stream whose source can wait, in bytes.
AHEAD_BYTES = 64 * 1024
# How long such a stream, of which nothing piles up, has patience with a reader that takes nothing, in seconds.
PATIENCE_SECONDS = 60.0


Form = TypeVar("Form", str, bytes)
Told = Mapping[str, Any]


class Dropped(Exception):
    """The connection was cut: nobody is left to send to."""


class TooSlow(ApiError):
    """Nobody takes what this stream sends."""

    status, type, code = 408, "invalid_request_error", "reader_too_slow"

    def __init__(self) -> None:
        super().__init__("This stream's reader takes less than is sent. Connect again and go on after the last `event_id`.")


class Stream(ABC, Generic[Form]):
    """What is told waits in an outbox; the wire takes it at its reader's pace."""

    patience = float("inf")  # with a reader that takes nothing, in seconds: what piles up meanwhile ends others

    def __init__(self, feeds: Feeds, caller: Caller) -> None:
        self.caller = caller
        self.outbox: Outbox[Form] = Outbox()
        self.error: ApiError | None = None
        self.is_cut = False  # the server stops, or the reader is too slow: the client should come back
        self._feeds = feeds
        self._over_since: float | None = None
        self._stuck_since: float | None = None  # the reader takes nothing

    async def run(self) -> None:
        """Tell what there is to tell; what comes later arrives by itself until `close`.

        Raises:
            ApiError, or what the database does.
        """
        try:
            await self._tell_all()
        except Draining:
            self.end(None)

    @abstractmethod
    async def _tell_all(self) -> None: ...

    def say(self, text: Form, *, replaces: Hashable | None = None) -> None:
        """Never waits. `replaces`: of what waits under that name only this remains."""
        self.outbox.put(text, replaces=replaces)
        self._check_pace()

    def _check_pace(self) -> None:
        """End a stream of which too much waits. A burst may be a little more, for a reader that was taking what came."""
        bound = settings.STREAM_OUTSTANDING_BYTES
        if self.outbox.bytes > bound and (self._is_stuck(LOOK_SECONDS) or self.outbox.bytes > BURST * bound):
            self.end(TooSlow())

    def _is_stuck(self, seconds: float) -> bool:
        return self._stuck_since is not None and time.monotonic() - self._stuck_since > seconds

    async def drained(self) -> None:
        await self.outbox.drained()

    def end(self, error: ApiError | None) -> None:
        self.error, self.is_cut = error, error is None
        self.outbox.seal()

    async def next(self, gate: Gate | None) -> Form | None:
        """What to send next, once the reader takes it; None after the last.

        Raises:
            Dropped: the reader took too little, or did not take the end in time; its connection is cut.
        """
        while gate and not gate.is_open:
            self._stuck_since = self._stuck_since or time.monotonic()
            is_over = self.outbox.is_sealed
            if isinstance(self.error, TooSlow) or self._is_stuck(self.patience) or (is_over and self._is_late()):
                gate.abort()
                raise Dropped
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await gate.wait_open()
        self._stuck_since = self._over_since = None
        return await self.outbox.next()

    def _is_late(self) -> bool:
        self._over_since = self._over_since or time.monotonic()
        return time.monotonic() - self._over_since > CLOSING_SECONDS

    def close(self) -> None:
        self._feeds.unsubscribe(self)
        self.outbox.seal()


class SourceStream(Stream[Form]):
    """What a source yields, an object at a time. The source waits while its reader does."""

    patience = PATIENCE_SECONDS

    def __init__(
        self, feeds: Feeds, caller: Caller, form: Callable[[Mapping[str, Any]], Form], source: AsyncGenerator[Mapping[str, Any]]
    ) -> None:
        super().__init__(feeds, caller)
        self._form: Callable[[Told], Form] = form
        self._source = source

    async def _tell_all(self) -> None:
        check_right(self.caller.key, Right.READ_KEY)  # a source knows no tasks
        async with aclosing(self._source) as source:
            self._feeds.attend(self)
            async for told in source:
                self.say(self._form(told))
                if self.outbox.bytes > AHEAD_BYTES:
                    await self.drained()
        self.outbox.seal()


class TaskStream(Stream[Form]):
    """A subscriber of its key's feed. With `task_id` it is about one task, and ends with it; `after`: the position to go on from."""

    def __init__(
        self, feeds: Feeds, caller: Caller, form: Callable[[Notice], Form], *, task_id: UUID | None = None, after: int | None = None
    ) -> None:
        super().__init__(feeds, caller)
        self.task_id = task_id
        self.wanted = caller.wanted if task_id is None else {str(task_id)}
        self._after = after
        self._form: Callable[[Notice], Form] = form

    # ---- A subscriber

    def tell(self, notice: Notice) -> None:
        self.say(notice.rendered(self._form), replaces=notice.task_id if notice.is_coalesced else None)
        if self.task_id and notice.type in ENDS:
            self.outbox.seal()

    # ---- Its beginning

    async def _tell_all(self) -> None:
        after = self._after
        note(OPENED, PLAIN)
        if after is not None:
            note(RESUMED, PLAIN)
        if self.task_id is None:
            await self._feeds.subscribe(self, after=after)
            return
        position, task = await self._feeds.in_thread(partial(_standing, self.caller, self.task_id))
        if not task.is_active:
            await self._tell_ended(task, position, after)
        elif after is not None:
            await self._feeds.subscribe(self, after=after)
        else:
            self.tell(Notice("task.snapshot", position, show(task, clock.now())))
            await self._feeds.subscribe(self, after=position, snapshots=False)

    async def _tell_ended(self, task: Task, position: int, after: int | None) -> None:
        """What is left to tell of a task that is over."""
        for notice in await self._feeds.in_thread(partial(left_of_ended, task, position, after, clock.now())):
            self.tell(notice)
        self.outbox.seal()


def _standing(caller: Caller, task_id: UUID) -> tuple[int, Task]:
    if caller.sees(task_id) and (found := history.snapshot_of_task(caller.key_id, task_id)):
        return found
    raise NotFound("This key has no task of that id.", code="task_not_found", param="task_id")


def left_of_ended(task: Task, position: int, after: int | None, now: datetime) -> list[Notice]:
    """What a stream of a task that is over tells: how it stands and its last event, or what came after a position."""
    snapshot = Notice("task.snapshot", position, show(task, now))
    if after is None:
        last = history.last_event(task)
        return [snapshot, history.replayed(last).notice] if last else [snapshot]
    page = history.page(task.key_id, after, task_ids=[task.pk])
    if isinstance(page, NotKept):
        return [resync(position), snapshot]
    return [event.notice for event in page.events]
