"""How workers come to their work: each looks in the database for due steps of its lanes, and takes as many as it has room for.

Hints make it quicker, and nothing hangs on them. What is found goes into the worker's own pool as a message would, without the
broker: it may be away. A worker that dies with what it took leaves claims that lapse.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import structlog
from celery import bootsteps
from celery.worker import state
from celery.worker.request import Request
from django.db import Error as DatabaseFailure
from django.db import close_old_connections, connection
from kombu.message import Message

from conduit import clock
from tasks import due, kinds, leases
from tasks.leases import Claim
from tasks.models import Lane

log = structlog.get_logger(__name__)

# Between two looks, in seconds: when nothing is known to be due before, when there is no room, and after an error.
LOOK_SECONDS, BUSY_SECONDS, ERROR_SECONDS = 0.5, 0.05, 1.0
# What a worker takes at once at most, however much room it has.
BATCH = 50
# How long a worker that ends waits for the look at hand.
END_SECONDS = 2.0


def lanes_of(worker: Any) -> list[str]:
    """The lanes whose steps a Celery worker does one by one, by the queues that it listens to."""
    return [str(lane) for lane in (Lane.PROVIDER, Lane.MEDIA) if lane.queue in worker.app.amqp.queues.consume_from]


class FindsWork(bootsteps.StartStopStep):
    """Celery's part of every worker that has a lane."""

    requires = ("celery.worker.components:Pool",)

    def include_if(self, parent: Any) -> bool:
        return bool(lanes_of(parent))

    def create(self, parent: Any) -> Any:
        return Finder(parent, lanes_of(parent))

    def close(self, parent: Any) -> None:
        self.obj.close()


class Finder:
    """Looks from a thread of its own."""

    def __init__(self, worker: Any, lanes: Sequence[str]) -> None:
        self._worker = worker
        self._lanes = deque(lanes)
        # Until when what was found is on its way to the pool, on this process' monotonic clock.
        self._on_their_way: dict[UUID, float] = {}
        self._woken, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="finds work", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Have it look now."""
        self._woken.set()

    def close(self) -> None:
        """Take nothing more."""
        self._over.set()
        self._woken.set()

    def stop(self) -> None:
        self.close()
        self._thread.join(END_SECONDS)

    terminate = stop

    def _look_on(self) -> None:
        while not self._over.is_set():
            try:
                close_old_connections()
                pause = self._look()
            except Exception as error:
                # While the database is away the control process tells it.
                log.warning("did not look for work", error=type(error).__name__, exc_info=not isinstance(error, DatabaseFailure))
                connection.close()
                pause = ERROR_SECONDS
            self._woken.wait(pause)
            self._woken.clear()
        connection.close()

    def _look(self) -> float:
        """Take what is due, as far as there is room; how long to wait before the next look."""
        pauses = []
        self._lanes.rotate()  # none of several always comes last
        for lane in self._lanes:
            pauses.append(self._look_in(lane))
        return min(pauses)

    def _look_in(self, lane: str) -> float:
        room = min(BATCH, self.room())
        if room <= 0:
            return BUSY_SECONDS
        now = clock.now()
        soonest = due.soonest(lane, now)
        if soonest is None or soonest > now:
            return LOOK_SECONDS if soonest is None else min(LOOK_SECONDS, (soonest - now).total_seconds())
        claims = leases.claim_due(now, lane=lane, limit=room)
        for claim in claims:
            self._on_their_way[claim.task_id] = time.monotonic() + leases.CLAIM_SECONDS
            self._soon(partial(self._put, claim))
        return BUSY_SECONDS if claims else LOOK_SECONDS

    def room(self) -> int:
        """How many steps the pool would begin at once."""
        pool, semaphore = self._worker.pool, self._worker.semaphore
        free = pool.limit - len(state.reserved_requests)
        if semaphore and pool.uses_semaphore:
            # It lets one more in for each process that was replaced: what it says alone would pile up in front of the pool.
            free = min(free, semaphore.value)
        # The loop may drop what it was asked to do, where something else failed that it was to do in the same turn: the claim lapses.
        now = time.monotonic()
        for claim, until in tuple(self._on_their_way.items()):
            if until <= now:
                self._on_their_way.pop(claim, None)  # the loop takes from this very dictionary meanwhile
        return int(free) - len(self._on_their_way)

    def _soon(self, call: Callable[[], None]) -> None:
        """Have the worker's own loop do it: its pool of processes belongs to that."""
        if self._worker.hub:
            self._worker.hub.call_soon(call)
        else:
            call()

    def _put(self, claim: Claim) -> None:
        self._on_their_way.pop(claim.task_id, None)
        try:
            request = _Found(claim, self._worker, self.wake)
            state.task_reserved(request)
            self._worker.process_task(request)
        except Exception as error:  # noqa: BLE001 - the worker's loop must go on; a pool that closes takes nothing more
            log.warning("a step that was found was not begun", task_id=str(claim.task_id), error=type(error).__name__)


class _Found(Request):
    """A step that was found, as a request that came in a message. `over` is called when it is done."""

    def __init__(self, claim: Claim, worker: Any, over: Callable[[], None]) -> None:
        request_id = str(uuid4())
        headers = {"id": request_id, "root_id": request_id, "task": kinds.job_of(claim.kind), "argsrepr": repr(claim.arguments)}
        body: Any = (list(claim.arguments), {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None})
        super().__init__(
            Message(headers=headers, body=body),
            app=worker.app,
            hostname=worker.hostname,
            body=body,
            headers=headers,
            decoded=True,
        )
        self._over = over

    def on_success(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().on_success(*args, **kwargs)
        finally:
            self._over()

    def on_failure(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().on_failure(*args, **kwargs)
        finally:
            self._over()
