"""What Celery's worker does while its broker is away: it goes on. And how it keeps sight of its pool's processes."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import structlog
from celery import bootsteps
from celery.worker import loops as celerys_loops
from celery.worker.consumer import Consumer as CelerysConsumer
from celery.worker.state import maybe_shutdown
from kombu import Connection
from kombu.exceptions import OperationalError
from kombu.utils.functional import fxrange

log = structlog.get_logger(__name__)

loops: Any = celerys_loops  # what it does with timers has no public name

# Between two tries to reach the broker, in seconds: the first, so much more for each further one, and at most.
FIRST_PAUSE, LONGER, LONGEST_PAUSE = 1.0, 1.0, 5.0
# How soon a worker notices meanwhile that it is to end.
SLICE_SECONDS = 0.5
# How often it is looked whether a process of the pool has ended unseen, or takes no job.
LOOK_SECONDS = 1.0


class Consumer(CelerysConsumer):
    """Celery's own sleeps between two tries to reach the broker, and with it the loop that gives work to the pool's processes, takes
    their results and ends those that take too long. This one runs the loop meanwhile, for work that was found without the broker.
    """

    hub: Any  # None where a worker has no such loop
    controller: Any
    restart_count: int

    def ensure_connected(self, conn: Connection) -> Connection:
        """The connection once it is established, however long that takes."""
        if self.hub is None:
            return super().ensure_connected(conn)
        if not self._reaches(conn):
            with self._loop_kept() as go_on:
                for pause in fxrange(FIRST_PAUSE, LONGEST_PAUSE, LONGER, repeatlast=True):
                    go_on(pause)
                    if self._reaches(conn):
                        break
            # Its processes have begun long since: one that has just ended is no reason to give up, as it is when the worker begins.
            self.restart_count += 1
        self.first_connection_attempt = False
        self.broker_connection_retry_attempt = 0
        return conn

    def _reaches(self, conn: Connection) -> bool:
        maybe_shutdown()
        try:
            conn.ensure_connection(max_retries=0)
        except OperationalError as error:
            self.broker_connection_retry_attempt += 1
            self.on_connection_error_before_connected(error)
            return False
        return True

    @contextmanager
    def _loop_kept(self) -> Iterator[Callable[[float], None]]:
        """What runs the loop for so many seconds. It is one loop for all of the time: each time that the pool is registered anew, what
        it was about to read, and its timers, begin anew. It is left as it was found: Celery registers all again when it is connected.
        """
        hub = self.hub
        before = loops._timer_entries(hub.timer)
        self.controller.register_with_event_loop(hub)
        hub.call_repeatedly(SLICE_SECONDS, _wake)
        registered = loops._timer_entries(hub.timer) - before
        loop = hub.create_loop()

        def go_on(seconds: float) -> None:
            nonlocal loop
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                maybe_shutdown()
                try:
                    next(loop)
                except StopIteration:
                    loop = hub.create_loop()

        try:
            yield go_on
        finally:
            loops._cancel_timer_entries(hub.timer, registered)
            hub.reset()


def _wake() -> None:
    """Ends the loop's wait for events."""


class MindsChildren(bootsteps.StartStopStep):
    """Celery's part of a worker with a pool of processes: it sees those that have ended, and those that take no job."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self._waits: dict[int, float] = {}  # since when a job is seen to wait, by its number in the pool

    def include_if(self, parent: Any) -> bool:
        return bool(parent.use_eventloop and parent.pool_cls.uses_semaphore)

    def create(self, parent: Any) -> None:
        pass

    def register_with_event_loop(self, worker: Any, hub: Any) -> None:
        """Each time that the worker was connected, and when it begins to go on without a broker: before the pool itself is registered,
        which fails for a process whose pipe it looks at no more.
        """
        for process in _unwatched(worker.pool._pool):
            del process._sentinel_poll
        hub.call_repeatedly(LOOK_SECONDS, self._look, worker.pool)

    def _look(self, celerys: Any) -> None:
        if _unwatched(celerys._pool):
            celerys.maintain_pool()
        self._replace_idle(celerys._pool)

    def _replace_idle(self, pool: Any) -> None:
        """End processes that do nothing while a job waits for as long as a lease lives: what passed between them and here was lost.

        The pool gives such a job to the next process, and its place is free again when that is done.
        """
        from django.conf import settings

        jobs, now = dict(pool._cache), time.monotonic()
        self._waits = {number: self._waits.get(number, now) for number, job in jobs.items() if not job._accepted}
        if now - min(self._waits.values(), default=now) < settings.LEASE_SECONDS:
            return
        self._waits.clear()
        at_work = {pid for job in jobs.values() if job._accepted for pid in job.worker_pids()}
        for process in pool._pool:
            if process.pid not in at_work and process not in pool._waiting_to_start:
                log.warning("a process of the pool takes no job and is replaced", child=process.pid)
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)


def _unwatched(pool: Any) -> list[Any]:
    """The processes whose pipe was closed before the kernel called them ended: a busy host shows them to the pool in between, which
    finds them alive and looks at their pipes no more.
    """
    return [process for process in pool._pool if vars(process).get("_sentinel_poll", process) is None]
