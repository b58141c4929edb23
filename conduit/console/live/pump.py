"""One look at the database a second for all sockets of this process, and what of it each is told.

A socket has no queue: it has a set of what changed since it was last told, and is told that as it is when its reader takes it. So a
slow reader is behind by one message, whatever happens meanwhile. A message that several sockets want is made once.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar

import structlog
from django.db import InterfaceError, OperationalError, close_old_connections

from conduit import clock
from conduit.api.errors import ApiError, Overloaded, TooManyRequests
from conduit.api.network import network_of
from conduit.api.turns import Turns
from conduit.console.live import watchers
from conduit.console.live.looking import Asked, Looking
from conduit.console.live.news import Due, News
from conduit.console.live.wanted import Wanted
from conduit.console.live.watchers import Watcher
from conduit.streams.lasting import lasting
from conduit.streams.seats import Seats

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

LOOK_SECONDS = 1.0
# A look that somebody new waits for comes sooner, but not at once after another.
PROMPT_SECONDS = 0.1
# How often it is asked who may still watch, and each socket hears that it is served.
ADMISSION_SECONDS = 5.0
# Sockets of this process, and of one session: a tab has one.
SOCKETS_MAX, SOCKETS_PER_SESSION = 1000, 20


class Restarting(Overloaded):
    """This process is about to stop: another one has room."""


class Socket:
    """What the pump knows of an open socket. `ending`: why it has to close."""

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher
        self.wanted = Wanted()
        self.newer_than: str | None = None
        self.due = Due()
        self.ending: ApiError | None = None
        self.woken = asyncio.Event()

    def wake(self) -> None:
        if self.due or self.ending:
            self.woken.set()

    def end(self, error: ApiError) -> None:
        self.ending = self.ending or error
        self.wake()

    def take(self) -> Due:
        """What is due, which then no longer is."""
        self.woken.clear()
        due, self.due = self.due, Due()
        return due


class Pump:
    """Belongs to the event loop that it is first used on. It looks only while somebody watches."""

    def __init__(self) -> None:
        self.news = News()
        # Apart, so that looks never wait for those who come; and requests have threads of their own.
        self._looks = ThreadPoolExecutor(1, thread_name_prefix="live-looks")
        self._admissions = ThreadPoolExecutor(1, thread_name_prefix="live-admissions")
        self._turns = Turns(1)
        self._sockets: set[Socket] = set()
        self._seats = Seats(_too_many)
        self._looking = Looking()
        self._admitted_at = 0.0
        self._prompted = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._draining = False

    # ---- Sockets come and go

    async def admit(self, session_key: str, address: str) -> Watcher:
        """The person who opens a socket.

        Raises:
            ApiError: the person may not, or the database is away.
        """
        if self._draining:
            raise Restarting
        async with self._turns.of(network_of(address)):
            return await _in_thread(self._admissions, partial(watchers.admit, session_key))

    def enter(self, socket: Socket) -> None:
        """From now on it is told what it wants; `leave` ends that.

        Raises:
            TooManyRequests: there are too many, of its session or of all.
            Restarting: this process is about to stop.
        """
        if self._draining:
            raise Restarting
        self._seats.acquire(socket.watcher.session_key, of_owner=SOCKETS_PER_SESSION, in_all=SOCKETS_MAX)
        self._sockets.add(socket)
        if self._running is None or self._running.done():
            self._begin()

    def _begin(self) -> None:
        """What was known when the last socket left is old."""
        self.news, self._looking, self._admitted_at = News(), Looking(), 0.0
        self._running = lasting(self._run())

    def leave(self, socket: Socket) -> None:
        """Again is fine."""
        if socket in self._sockets:
            self._sockets.discard(socket)
            self._seats.release(Counter({socket.watcher.session_key: 1}))

    def want(self, socket: Socket, wanted: Wanted) -> None:
        """Tell it of this from now on, instead of what it wanted before: all of it with the next look, which comes at once."""
        socket.wanted = wanted
        socket.newer_than = wanted.newer if isinstance(wanted.newer, str) else None
        due = socket.due = Due(rows=self.news.knows(wanted.tasks), newer=bool(wanted.newer), standing=True)
        if wanted.now:
            due.parts |= self.news.parts_for(None, wanted.now, sees_money=socket.watcher.sees_money)
            due.rows |= self.news.knows(self.news.running)
        self._prompted.set()

    def drain(self) -> None:
        """The process is about to stop: every socket is told to come again, and none is opened any more."""
        self._draining = True
        for socket in tuple(self._sockets):
            socket.end(Restarting())

    # ---- Looks

    async def _run(self) -> None:
        while self._sockets:
            began = time.monotonic()
            self._prompted.clear()
            try:
                if began - self._admitted_at > ADMISSION_SECONDS:
                    await self._check_admissions()
                    self._admitted_at = began
                await self._look()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look is soon, and pages say since when they are stale
                self._fail(error)
            await asyncio.sleep(PROMPT_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, began + LOOK_SECONDS - time.monotonic())):
                    await self._prompted.wait()

    async def _check_admissions(self) -> None:
        watching = {socket.watcher for socket in self._sockets}
        refused = await _in_thread(self._looks, partial(watchers.no_longer_admitted, watching))
        for socket in tuple(self._sockets):
            socket.due.standing = True
            if problem := refused.get(socket.watcher):
                socket.end(problem)

    async def _look(self) -> None:
        tasks = frozenset[str]().union(*(socket.wanted.tasks for socket in self._sockets))
        spans = frozenset(socket.wanted.now for socket in self._sockets if socket.wanted.now)
        found = await _in_thread(self._looks, partial(self._looking.look, Asked(tasks, spans)))
        now = clock.now()
        was_stale, self.news.stale_since, self.news.looked_at = self.news.stale_since, None, now
        changed, parts = self.news.take(found, now)
        self._tell(changed, self.news.go_on(now), parts, bool(found.created or found.newest), bool(was_stale))

    def _tell(self, changed: set[str], moved: set[str], parts: set[str], newer: bool, standing: bool) -> None:
        for socket in self._sockets:
            due, wanted = socket.due, socket.wanted
            tasks = wanted.tasks | self.news.running if wanted.now else wanted.tasks
            due.rows |= tasks & changed
            due.moved |= tasks & moved
            if wanted.now and parts:
                due.parts |= self.news.parts_for(parts, wanted.now, sees_money=socket.watcher.sees_money)
            if wanted.newer is True and socket.newer_than is None:
                socket.newer_than = self.news.newest.last
            due.newer |= newer and bool(wanted.newer)
            due.standing |= standing
            socket.wake()

    def _fail(self, error: Exception) -> None:
        """Nothing is known any more of what happens: everything is read anew once that can be done."""
        is_away = isinstance(error, OperationalError | InterfaceError)
        log.warning("pages of the console are not told anything new", error=type(error).__name__, exc_info=not is_away)
        self._looking, self._admitted_at = Looking(), 0.0
        if self.news.stale_since is None:
            self.news.stale_since = self.news.looked_at or clock.now()
        self._tell(set(), set(), set(), newer=False, standing=True)


def _too_many(bound: int, *, of_owner: bool) -> TooManyRequests:
    return TooManyRequests(f"{bound} pages of this login are live already: close some." if of_owner else f"{bound} pages are live already.")


async def _in_thread(threads: ThreadPoolExecutor, work: Callable[[], Result]) -> Result:
    return await asyncio.get_running_loop().run_in_executor(threads, _with_connection, work)


def _with_connection(work: Callable[[], Result]) -> Result:
    try:
        return work()
    finally:
        close_old_connections()


_pump: Pump | None = None


def pump() -> Pump:
    """This process's."""
    global _pump
    if _pump is None:
        _pump = Pump()
    return _pump
