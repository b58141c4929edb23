"""All feeds of this process, and what keeps them going: one channel, one watch, one clock."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import structlog
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import close_old_connections

from conduit import clock
from conduit.api.callers import client_known
from conduit.api.errors import ApiError, Overloaded
from conduit.api.network import network_of
from conduit.api.turns import Turns
from conduit.streams.breaker import Away, breaker_of
from conduit.streams.lasting import lasting
from tasks import history
from tasks.history import NotKept, ReplayedEvent, StageChange
from tasks.notices import Notice, resync
from tasks.progress import Legs
from tasks.publishing import group_of
from tasks.realtime.connections import Caller, address_in, admit, no_longer_admitted, secret_in
from tasks.realtime.feed import KeyFeed, Listener, Subscriber
from tasks.realtime.seats import bounds, seats

log = structlog.get_logger(__name__)

Found = TypeVar("Found")

# Threads that ask the database for streams. Few: what they do is short, and requests need connections too.
THREADS = 4
# What joining or leaving a group may take while Redis is away, in seconds.
GROUP_SECONDS = 1.0
# Progress is told once a second, to so many parts of the keys in turn: all at once would make events wait.
PROGRESS_SECONDS = 1.0
PARTS = 20
# Snapshots that are told before a reader has taken those before.
SNAPSHOTS = 50
# Looking for changed stages, the watch looks back further than its last look: clocks differ, transactions commit late.
SLACK = timedelta(seconds=10)


class Draining(Overloaded):
    """This process is about to stop: another one has room."""


class Feeds:
    """Belongs to the event loop that it is first used on. Everything but the database work happens there."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="streams")
        self._admissions = Turns(THREADS // 2)
        self._layer = get_channel_layer()
        self._channel: str | None = None
        self._has_channel = asyncio.Event()
        self._membership = asyncio.Lock()  # joining and leaving a group at once would end as chance has it
        self._feeds: dict[int, KeyFeed] = {}
        self._chores: list[asyncio.Task[None]] = []
        self._looked_at: datetime | None = None
        self._subscribers: set[Subscriber] = set()
        self._attending: set[Listener] = set()  # who is told by others
        self.draining = False

    async def in_thread(self, work: Callable[[], Found]) -> Found:
        """The work's result, out of a thread that gives its database connection back."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, _with_connection, work)

    # ---- Streams come and go

    async def admit(self, scope: Mapping[str, Any]) -> Caller:
        """Who opens a connection. One address has half of the threads at most, whatever keys it invents.

        Raises:
            ApiError: as connections.admit does.
        """
        secret, address = secret_in(scope), address_in(scope)
        async with self._admissions.of(network_of(address)):
            caller, rate = await self.in_thread(partial(admit, secret, address))
        client_known(scope)
        if rate and rate.wait:
            await asyncio.sleep(rate.wait)
        return caller

    async def enter(self, caller: Caller) -> None:
        """Take the seat of a connection; `leave` gives it back.

        Raises:
            TooManyConnections: there is none.
            Draining: this process is about to stop.
        """
        if self.draining:
            raise Draining
        await seats().acquire(str(caller.key_id), **bounds())

    def leave(self, caller: Caller) -> None:
        """The connection has ended."""
        seats().release(str(caller.key_id))

    async def subscribe(self, subscriber: Subscriber, *, after: int | None = None, snapshots: bool = True) -> None:
        """Tell it what happened after that position, where its active tasks stand, and from then on everything, in order."""
        feed = await self._feed_of(subscriber)
        try:
            position = feed.position or 0
            if after is not None:
                position = await self._replay(feed, subscriber, after)
            if subscriber in self._subscribers:  # it may have ended meanwhile
                feed.join(subscriber, position)
                if snapshots:
                    await feed.caught_up(subscriber)
                    await self._tell_snapshots(feed, subscriber)
        except BaseException:
            self.unsubscribe(subscriber)
            raise

    def attend(self, listener: Listener) -> None:
        """Tell it nothing but its end: when its key may no longer listen, and when this process is about to stop.

        Raises:
            Draining: it is.
        """
        if self.draining:
            raise Draining
        self._start()
        self._attending.add(listener)

    def unsubscribe(self, subscriber: Listener) -> None:
        """Tell it nothing more. Again is fine."""
        self._attending.discard(subscriber)
        if subscriber not in self._subscribers:
            return
        self._subscribers.discard(subscriber)
        feed = self._feeds[subscriber.caller.key_id]
        feed.subscribers.pop(subscriber, None)
        feed.users -= 1  # a feed that nobody needs stays until the next watch: a client that reconnects finds it open

    async def _feed_of(self, subscriber: Subscriber) -> KeyFeed:
        self.unsubscribe(subscriber)
        if self.draining:
            raise Draining
        self._start()
        key_id = subscriber.caller.key_id
        feed = self._feeds.get(key_id)
        if feed is None:
            feed = self._feeds[key_id] = KeyFeed(key_id, self.in_thread)
        feed.users += 1
        self._subscribers.add(subscriber)
        try:
            await feed.opened(partial(self._join, feed))
        except BaseException:
            self.unsubscribe(subscriber)
            raise
        return feed

    async def _replay(self, feed: KeyFeed, subscriber: Subscriber, after: int) -> int:
        """Tell what happened after that position until nothing is missing; the position that it ends at."""
        while after != feed.position:
            wanted = None if subscriber.wanted is None else [UUID(task_id) for task_id in subscriber.wanted]
            page = await self.in_thread(partial(history.page, feed.key_id, after, task_ids=wanted))
            if isinstance(page, NotKept):
                subscriber.tell(resync(page.position))
                return page.position
            for event in page.events:
                subscriber.tell(event.notice)
            after = page.reached
            if page.is_last and after >= (feed.position or 0):
                break
            await subscriber.drained()
        return after

    async def _tell_snapshots(self, feed: KeyFeed, subscriber: Subscriber) -> None:
        for number, notice in enumerate(feed.snapshots(subscriber.wanted), start=1):
            subscriber.tell(notice)
            if number % SNAPSHOTS == 0:
                await subscriber.drained()

    # ---- Groups and messages

    def _start(self) -> None:
        if not self._chores:
            chores = (self._receive, self._watch, self._tell_progress)
            self._chores = [lasting(_kept_up(chore)) for chore in chores]

    async def _join(self, feed: KeyFeed) -> None:
        """Join the key's group, unless Redis is away: then the watch will, and until then asks the database."""
        async with self._membership:
            feed.joined = await self._done(lambda: self._add(feed))

    async def _add(self, feed: KeyFeed) -> None:
        if self._channel is None:
            self._channel = await self._layer.new_channel()
            self._has_channel.set()
        await self._layer.group_add(group_of(feed.key_id), self._channel)

    async def _done(self, change: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Change who is in a group; False while Redis is away, which is found out once for all who ask."""
        try:
            with breaker_of(settings.REDIS_URL).asking("streams look for events in the database"):
                async with asyncio.timeout(GROUP_SECONDS):
                    await change()
        except Away:
            return False
        except Exception:
            log.exception("groups could not be changed")
            return False
        return True

    async def _receive(self) -> None:
        await self._has_channel.wait()
        while True:
            self._hand_over(await self._layer.receive(self._channel))
            await asyncio.sleep(0)  # streams send what they were told before more is told

    def _hand_over(self, message: dict[str, Any]) -> None:
        if feed := self._feeds.get(message["key"]):
            _take(feed, message)

    # ---- Chores

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(settings.STREAM_WATCH_SECONDS)
            await seats().heartbeat()
            await self._close_unused()
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 - whatever the database says, the next look is soon
                log.warning("streams not watched: the database is away", error=type(error).__name__)

    async def _look(self) -> None:
        """Ask where all keys stand, what changed of their active tasks, and who may no longer listen."""
        if not self._feeds and not self._attending:
            return
        now = clock.now()
        since = min(self._looked_at or now, now) - SLACK  # a clock may have been set back
        listening = (*self._subscribers, *self._attending)
        feeds = tuple(self._feeds.values())
        positions, stages, refused = await self.in_thread(partial(_asked, [each.key_id for each in feeds], since, listening))
        self._looked_at = now
        for looked_at in feeds:
            looked_at.seen(positions.get(looked_at.key_id, 0))
        for stage in stages:
            if feed := self._feeds.get(stage.key_id):
                feed.learn_stage(str(stage.task_id), stage.stage, stage.updated_at.timestamp(), stage.legs)
        if refused:
            for subscriber in [one for one in listening if one.caller in refused]:
                subscriber.end(refused[subscriber.caller])
        for feed in [feed for feed in self._feeds.values() if not feed.joined]:
            await self._join(feed)

    async def _close_unused(self) -> None:
        for feed in [feed for feed in self._feeds.values() if not feed.users]:
            async with self._membership:
                if feed.users:
                    continue
                del self._feeds[feed.key_id]
                if feed.joined and not await self._left(feed):
                    self._feeds.setdefault(feed.key_id, feed)  # unless somebody came meanwhile, the next watch tries again
                    return

    async def _left(self, feed: KeyFeed) -> bool:
        """Leave the key's group; False while Redis is away."""
        return await self._done(lambda: self._layer.group_discard(group_of(feed.key_id), self._channel))

    async def _tell_progress(self) -> None:
        part = 0
        while True:
            await asyncio.sleep(PROGRESS_SECONDS / PARTS)
            part = (part + 1) % PARTS
            self._tell_progress_of(part)

    def _tell_progress_of(self, part: int) -> None:
        now = clock.now()
        for feed in [feed for feed in self._feeds.values() if feed.key_id % PARTS == part]:
            feed.tell_progress(now)

    # ---- End

    def drain(self) -> None:
        """The process is about to stop: every stream is told, and none is opened any more."""
        self.draining = True
        for listener in (*self._subscribers, *self._attending):
            listener.end(None)


def _with_connection(work: Callable[[], Found]) -> Found:
    try:
        return work()
    finally:
        close_old_connections()


async def _kept_up(chore: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Streams live by these: what nobody foresaw must not end one for good."""
    while True:
        try:
            await chore()
        except Exception:
            log.exception("a chore of the streams failed and begins anew")
            await asyncio.sleep(1)


def _asked(
    key_ids: list[int], since: datetime, listening: Sequence[Listener]
) -> tuple[dict[int, int], list[StageChange], dict[Caller, ApiError]]:
    """Three queries, however many keys and streams there are."""
    return history.positions(key_ids), history.stage_changes(key_ids, since), no_longer_admitted(one.caller for one in listening)


def _take(feed: KeyFeed, message: dict[str, Any]) -> None:
    legs = message["legs"] and Legs.unpacked(message["legs"])
    if message["type"] == "task.stage":
        feed.learn_stage(message["task_id"], message["stage"], message["updated_at"], legs)
        return
    notice = Notice(message["name"], message["position"], message["task"])
    feed.take(ReplayedEvent(message["position"], notice, legs, message["updated_at"]))


_feeds: Feeds | None = None


def feeds() -> Feeds:
    """This process's."""
    global _feeds
    if _feeds is None:
        _feeds = Feeds()
    return _feeds
