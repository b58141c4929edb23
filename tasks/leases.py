"""Leases: who may do a task's next step, and whose outcome counts.

A row says when its next step is due. The first worker to do it takes the lease with one conditional UPDATE; the outcome is
written with another, which holds only while the lease is still its own and the task still active. A process that dies
simply never writes, and its lease lapses.
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q
from django.db.utils import Error as DatabaseFailure

from conduit import clock
from conduit.conditions.drains import is_drained
from conduit.conditions.restored import is_restored
from tasks import due
from tasks.insisting import insist
from tasks.models import Task, no_lease

log = structlog.get_logger(__name__)

T = TypeVar("T")

# A row that was claimed by a worker that never came to its step is claimed again after this long.
CLAIM_SECONDS = 30
# Two processes read the one clock to within a round trip to the database: a worker that was just told that a step is due, and finds
# that it will be by this much later, need not wait.
ABOUT_NOW = timedelta(seconds=0.1)
# A renewal that failed is tried again after this long.
RENEW_AGAIN_SECONDS = 1.0


class LeaseLost(Exception):
    """The task was cancelled, or somebody else does this step now: what was found out no longer counts."""


@dataclass(frozen=True)
class Claim:
    """A due row that is reserved for the worker that found it."""

    task_id: UUID
    kind: str
    lane: str
    token: UUID

    @property
    def arguments(self) -> tuple[str, str, str]:
        """What the job of its kind is called with."""
        return str(self.task_id), self.lane, str(self.token)


class Hold:
    """Until when a lease is surely alive, on this process' monotonic clock: counted from before it was asked for."""

    def __init__(self, asked_at: float) -> None:
        self.until = 0.0
        self.extend(asked_at)

    def extend(self, asked_at: float) -> None:
        self.until = max(self.until, asked_at + settings.LEASE_SECONDS)


@dataclass(frozen=True)
class Lease:
    task_id: UUID
    token: UUID
    hold: Hold = field(default_factory=lambda: Hold(time.monotonic()), compare=False)

    def rows(self) -> Any:
        """The task, as long as this lease holds: no row otherwise."""
        return Task.objects.active().filter(pk=self.task_id, lease_token=self.token)

    def keep(self) -> None:
        """Have the task's row until the transaction ends, before what comes after it in the order of locks.

        Raises:
            LeaseLost: it is not this lease's any more.
        """
        if not self.rows().select_for_update(no_key=True).exists():
            raise LeaseLost

    def give_back(self) -> None:
        """Have others do the step: nothing came of it."""
        self.rows().update(lease_token=None, lease_until=None)

    @contextmanager
    def kept_alive(self) -> Iterator[None]:
        """Renew the lease from a thread of its own while the block runs, for a step that may outlast it.

        It lapses soon after the process died. What the block finds out counts only if nobody took the lease meanwhile.
        """
        over = threading.Event()
        renewing = threading.Thread(target=self._renew, args=(over,), name=f"lease {self.task_id}", daemon=True)
        renewing.start()
        try:
            yield
        finally:
            over.set()
            renewing.join()

    def _renew(self, over: threading.Event) -> None:
        pause = settings.LEASE_SECONDS / 3
        while not over.wait(pause):
            asked_at = time.monotonic()
            try:
                if not self.rows().update(lease_until=lapse(clock.now())):
                    return
                self.hold.extend(asked_at)
                pause = settings.LEASE_SECONDS / 3
            except DatabaseFailure as error:
                log.warning("lease not renewed", task_id=str(self.task_id), error=str(error))
                pause = min(pause, RENEW_AGAIN_SECONDS)
            finally:
                connection.close()

    def insist(self, write: Callable[[], T]) -> T:
        """Do `write()`, a step's outcome, in one transaction; while the database is away it is tried again as long as the lease lives.

        What it writes is known here alone, and may have been paid for. See `tasks.insisting` for what `write` has to bear.
        """
        return insist(write, until=lambda: self.hold.until)

    @contextmanager
    def writing(self, **fields: Any) -> Iterator[None]:
        """One transaction that renews the lease: the task's fields first, then what the block writes.

        Raises:
            LeaseLost: nothing was written, by the block neither.
        """
        asked_at = time.monotonic()
        with transaction.atomic():
            if not self.rows().update(lease_until=lapse(clock.now()), **fields):
                raise LeaseLost
            yield
            transaction.on_commit(lambda: self.hold.extend(asked_at))


def lapse(now: datetime) -> datetime:
    """When a lease that is taken now ends, unless it is renewed."""
    return now + timedelta(seconds=settings.LEASE_SECONDS)


def begins_nothing() -> bool:
    """Whether no step is begun here: the host is drained, or the database was restored and nobody has looked through it yet."""
    return is_drained() or is_restored()


def claim_due(now: datetime, *, lane: str, limit: int) -> list[Claim]:
    """Reserve the due rows of a lane whose turn it is, in one batch; the most urgent first."""
    if begins_nothing():
        return []
    token = uuid.uuid4()
    with transaction.atomic():
        ids = _marked(now, lane, due.choose(lane, now, limit), lease_token=token, lease_until=now + timedelta(seconds=CLAIM_SECONDS))
        kinds = dict(Task.objects.filter(pk__in=ids).values_list("pk", "kind")) if ids else {}
    return [Claim(pk, kinds[pk], lane, token) for pk in ids]


def take_due(now: datetime, *, lane: str, limit: int, among: due.Narrow | None = None) -> list[Lease]:
    """Begin the due steps of a lane whose turn it is, for a worker that does them together: under one token, and at once.

    `among` leaves out those that it has no room for.
    """
    if begins_nothing():
        return []
    token, hold = uuid.uuid4(), Hold(time.monotonic())
    with transaction.atomic():
        chosen = due.choose(lane, now, limit, among)
        ids = _marked(now, lane, chosen, lease_token=token, lease_until=lapse(now), attempts=F("attempts") + 1)
    return [Lease(pk, token, hold) for pk in ids]


def _marked(now: datetime, lane: str, chosen: Sequence[UUID], **fields: Any) -> Sequence[UUID]:
    """Those of the chosen rows that it wrote the fields to."""
    if not chosen:
        return ()
    # The choice may have locked none of them, so the UPDATE looks again.
    count = Task.objects.due(now, lane).filter(pk__in=chosen).update(**fields)
    if count == len(chosen):
        return chosen
    ours = set(Task.objects.filter(pk__in=chosen, lease_token=fields["lease_token"]).values_list("pk", flat=True))
    return [pk for pk in chosen if pk in ours]


def take(task_id: UUID, *, lane: str, claim: UUID | None = None) -> Lease | None:
    """Begin the task's due step; None when it is not due, not this lane's, or somebody else's.

    `claim` is the token of a claim: what was claimed was due by another process's reading of the clock, and is taken whatever
    it says here. It is replaced, so that a claim is worth one step.
    """
    if begins_nothing():
        return None
    now = clock.now()
    ours = no_lease(now) & Q(next_step_at__lte=now + ABOUT_NOW)
    if claim:
        ours |= Q(lease_token=claim)
    lease = Lease(task_id, uuid.uuid4())
    taken = (
        Task.objects.active()
        .filter(ours, pk=task_id, lane=lane)
        .update(lease_token=lease.token, lease_until=lapse(now), attempts=F("attempts") + 1)
    )
    return lease if taken else None


def seize(task_id: UUID) -> Lease | None:
    """The lease of a task that no living step works on, due or not, to decide what becomes of it; None when there is none."""
    now = clock.now()
    lease = Lease(task_id, uuid.uuid4())
    taken = Task.objects.active().unleased(now).filter(pk=task_id).update(lease_token=lease.token, lease_until=lapse(now))
    return lease if taken else None
