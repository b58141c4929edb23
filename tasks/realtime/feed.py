"""The events of every key that has a stream in this process, handed to its streams.

Per key: one group of the channel layer, one position, the active tasks. Messages of the group bring events as they are
committed; an event is handed on only when it is the next one, and whatever is missing is read from the database. A watch
asks the database every few seconds where all these keys stand, so that nothing depends on a message.
"""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

import structlog

from conduit import clock
from conduit.api.errors import ApiError, Overloaded, classify
from conduit.api.formats import rfc3339
from conduit.metrics import note_seconds
from conduit.streams.lasting import lasting
from tasks import history, kinds, progress
from tasks.history import ActiveTask, NotKept, ReplayedEvent
from tasks.notices import Notice, resync
from tasks.progress import Legs
from tasks.realtime.connections import Caller
from tasks.realtime.metrics import TOLD_IN

log = structlog.get_logger(__name__)


class Listener(Protocol):
    """A stream, whatever tells it."""

    caller: Caller

    def end(self, error: ApiError | None) -> None:
        """The stream is over: for that reason, or because the server stops."""


class Subscriber(Listener, Protocol):
    """A stream that is told events. `wanted` are the tasks that it is about; None: all of its key."""

    wanted: set[str] | None

    def tell(self, notice: Notice) -> None:
        """Never waits."""

    async def drained(self) -> None:
        """Wait until what was told has been taken, by a reader of a long history."""


InThread = Callable[[Callable[[], Any]], Any]


class KeyFeed:
    """One key's events on their way to its streams in this process."""

    def __init__(self, key_id: int, in_thread: InThread) -> None:
        self.key_id = key_id
        self.position: int | None = None  # of the newest event that was handed on; None until it is known
        self.subscribers: dict[Subscriber, int] = {}  # each with the position that it stood at when it joined
        self.users = 0  # subscribers of this feed, and connections that are about to be
        self.joined = False
        self._in_thread = in_thread
        self._live: dict[str, _Shown] = {}
        self._heard_of = 0
        self._seen = 0  # where the database stood when it was last looked at
        self._catching_up: asyncio.Task[None] | None = None
        self._opening: asyncio.Task[None] | None = None

    # ---- Begin

    async def opened(self, join: Callable[[], Any]) -> None:
        """Wait until the feed knows where it stands; raises what the database does."""
        if self.position is not None:
            return
        if self._opening is None:
            self._opening = asyncio.create_task(self._open(join))
        try:
            await asyncio.shield(self._opening)
        except BaseException:
            if self._opening and self._opening.done():
                self._opening = None  # the next connection tries again
            raise

    async def _open(self, join: Callable[[], Any]) -> None:
        """The group first: what is committed from then on is heard of, what was before is read."""
        await join()
        await self._stand()
        self.heard_of(self._heard_of)

    async def _stand(self) -> None:
        position, live = await self._in_thread(partial(history.snapshot_of, self.key_id))
        self._live = {one.task["task_id"]: _Shown(one) for one in live}
        self.position = self._seen = position

    # ---- What happens

    def take(self, event: ReplayedEvent) -> None:
        """An event that a message brought."""
        if self.position is not None and event.position == self.position + 1 and self._catching_up is None:
            self._hand_on(event)
        else:
            self.heard_of(event.position)

    def heard_of(self, position: int) -> None:
        """There is an event at that position: whatever is missing up to it is read."""
        self._heard_of = max(self._heard_of, position)
        if self.position is not None and self._heard_of > self.position:
            self._look()

    def seen(self, position: int) -> None:
        """There the key stands in the database. Nothing takes a position back, so that a lower one than before is another history's."""
        self.heard_of(position)
        if position < self._seen:
            self._look()
        self._seen = position

    def _look(self) -> None:
        """Read what the database has after this feed's position, and whether it has that position at all."""
        if self._catching_up is None:
            self._catching_up = lasting(self._catch_up())

    async def _catch_up(self) -> None:
        try:
            is_behind = True
            while is_behind and self.position is not None:
                heard_of = self._heard_of
                page = await self._in_thread(partial(history.page, self.key_id, self.position))
                if isinstance(page, NotKept):
                    await self._begin_anew()
                    return
                for event in page.events:
                    self._hand_on(event)
                    await asyncio.sleep(0)  # streams send what they were told before more is told
                if page.is_last and self._heard_of == heard_of:  # or something has happened since the page was read
                    self._heard_of = self.position
                is_behind = self._heard_of > self.position
        except Exception as error:  # noqa: BLE001 - the watch hears of these events again
            log.warning("events not read: the database is away", key_id=self.key_id, error=type(error).__name__)
            self._heard_of = self.position or 0
        finally:
            self._catching_up = None

    async def _begin_anew(self) -> None:
        """The history is not the one that this feed was reading (a database was restored), or much younger: so do its readers."""
        await self._stand()
        self._heard_of = self.position or 0
        for subscriber in tuple(self.subscribers):
            self.subscribers[subscriber] = self._heard_of
            subscriber.tell(resync(self._heard_of))
            for notice in self.snapshots(subscriber.wanted):
                subscriber.tell(notice)
            if subscriber.wanted is not None and self._live.keys().isdisjoint(subscriber.wanted):
                subscriber.end(None)  # it would wait for ever for what has happened already, or never did

    def _hand_on(self, event: ReplayedEvent) -> None:
        self.position = event.position
        notice = event.notice
        if shown := self._live.pop(str(notice.task_id), None):
            notice = shown.not_behind(notice)
        if notice.task and event.legs:
            self._live[notice.task["task_id"]] = _Shown(ActiveTask(notice.task, event.legs, event.updated_at))
        if self.subscribers:
            note_seconds(TOLD_IN, seconds=clock.now().timestamp() - event.updated_at)
        self._tell(notice, event.position)

    def _tell(self, notice: Notice, position: int | None = None) -> None:
        task_id = notice.task_id
        for subscriber, stood_at in tuple(self.subscribers.items()):
            if subscriber.wanted is not None and task_id not in subscriber.wanted:
                continue
            if position > stood_at if position is not None else not self._is_behind(subscriber):
                _tell_one(subscriber, notice)

    # ---- Progress

    def learn_stage(self, task_id: str, stage: str, updated_at: float, legs: Legs) -> None:
        """What was written about an active task between two events; older news than what is known are left out."""
        shown = self._live.get(task_id)
        if shown and updated_at > shown.updated_at and legs.status == shown.legs.status:
            shown.update(stage, updated_at, legs)

    def tell_progress(self, now: datetime) -> None:
        """Tell of each active task whose number or stage has changed since it was last told."""
        for shown in self._live.values():
            if notice := shown.progressed(now):
                self._tell(notice)

    # ---- Who listens

    def join(self, subscriber: Subscriber, position: int) -> None:
        """From now on it is told what comes after `position`, which it stands at."""
        self.subscribers[subscriber] = position

    def _is_behind(self, subscriber: Subscriber) -> bool:
        """Whether the subscriber knows of events, out of the database, that this feed has not heard of: what is live here is old news."""
        return self.subscribers.get(subscriber, 0) > (self.position or 0)

    async def caught_up(self, subscriber: Subscriber) -> None:
        """Wait until the feed stands where the subscriber does.

        Raises:
            Overloaded: the database is away.
        """
        self.heard_of(self.subscribers.get(subscriber, 0))
        while self._is_behind(subscriber):
            if self._catching_up is None:
                raise Overloaded
            await asyncio.shield(self._catching_up)

    def snapshots(self, wanted: set[str] | None) -> Iterator[Notice]:
        """The active tasks as they are at the moment at which each is asked for."""
        for task_id in tuple(self._live):
            if (wanted is None or task_id in wanted) and (shown := self._live.get(task_id)):
                yield Notice("task.snapshot", self.position, shown.at(clock.now()))


def _tell_one(subscriber: Subscriber, notice: Notice) -> None:
    """What goes wrong with one stream must not keep the event from the others."""
    try:
        subscriber.tell(notice)
    except Exception as error:  # noqa: BLE001 - classify logs what nobody foresaw
        subscriber.end(classify(error))


class _Shown:
    """An active task and what was last told of its progress, which never goes back."""

    def __init__(self, live: ActiveTask) -> None:
        self._task = live.task
        self.legs = live.legs
        self.updated_at = live.updated_at
        self._told_progress: int = live.task["progress"]
        self._told_standing = _standing(live.task)

    def update(self, stage: str, updated_at: float, legs: Legs) -> None:
        self.updated_at, self.legs = updated_at, legs
        moment = rfc3339(datetime.fromtimestamp(updated_at, UTC))
        waiting_for = kinds.waiting_for(self._task["type"], stage, legs.waits_for)
        line = {"waiting_for": waiting_for, "queue_position": legs.queue_position}
        self._task = self._task | {"stage": stage, **line, "updated_at": moment}

    def at(self, now: datetime) -> dict[str, Any]:
        reading = progress.read(self.legs, now)
        return self._task | {"progress": max(reading.progress, self._told_progress), "eta_seconds": reading.eta_seconds}

    def not_behind(self, notice: Notice) -> Notice:
        """The task's next event, with no less progress than was told: the clock of its writer may be a little behind."""
        if not notice.task or notice.task["progress"] >= self._told_progress:
            return notice
        return Notice(notice.type, notice.event_id, notice.task | {"progress": self._told_progress})

    def progressed(self, now: datetime) -> Notice | None:
        reached, standing = progress.read(self.legs, now).progress, _standing(self._task)
        if reached <= self._told_progress and standing == self._told_standing:
            return None
        task = self.at(now)
        self._told_progress, self._told_standing = task["progress"], standing
        return Notice("task.progress", None, task)


def _standing(task: dict[str, Any]) -> tuple[Any, ...]:
    """What is told of beside progress when it changes."""
    return task["stage"], task.get("waiting_for"), task.get("queue_position")
