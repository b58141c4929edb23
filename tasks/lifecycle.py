"""A task's life: which status may follow which, and how a change is made.

A change of status is one guarded UPDATE with its event and its money in the same transaction. Losing the race against
somebody else's change is an answer, not an error.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Count, F, Min, Q
from django.db.models.functions import Greatest

from conduit import clock
from conduit.api.errors import Conflict
from keys import ledger, limits, locks
from keys.authentication import check_usable
from keys.models import VirtualKey
from tasks import dispatch, kinds, progress, publishing
from tasks.leases import Lease
from tasks.models import ACTIVE, Feed, Status, Task, TaskEvent

log = structlog.get_logger(__name__)

ALLOWED: dict[Status, frozenset[Status]] = {
    Status.PROCESSING: frozenset({Status.QUEUED}),
    Status.COMPLETED: frozenset({Status.PROCESSING}),
    Status.FAILED: frozenset({Status.QUEUED, Status.PROCESSING}),
    Status.CANCELLED: frozenset({Status.QUEUED, Status.PROCESSING}),
}
ENDED = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})


def create(task: Task) -> None:
    """Write a new task with its hold and its first event, and hint the worker once that is committed.

    Belongs inside the transaction that also writes what the task's kind needs.

    Raises:
        Unauthenticated: the key was disabled or deleted, or expired, since the call was authenticated.
        RateLimited: the key has too many tasks in flight, or made too many within the hour.
        InsufficientQuota: a budget of the key or its team has less left than the price.
    """
    # What was true when the call was authenticated may have changed: the key of now pays, from here to the commit alone.
    task.key = locks.lock_key(task.key)
    task.team = task.key.team
    check_usable(task.key)
    # Whatever may refuse comes before anything is written: of many calls at once, the refused ones let go of the key soonest.
    _check_counts(task.key, task.created_at)
    ledger.hold(key=task.key, task_id=task.pk, task_kind=task.kind, model=task.model, amount=task.price)
    task.save(force_insert=True)
    _record(task, task.created_at, {})
    transaction.on_commit(lambda: dispatch.hint_soon(task.pk, task.kind, task.lane), robust=True)
    transaction.on_commit(lambda: _tell_created(task), robust=True)


def _tell_created(task: Task) -> None:
    """The line that ties the request's id to the task's."""
    log.info("task created", task_id=str(task.pk), kind=task.kind, model=task.model)


def _check_counts(key: VirtualKey, created_at: datetime) -> None:
    """Refuse what the key's limits of tasks forbid. They are counted from the rows, so that nothing leaks.

    The key is locked: its tasks are created one at a time. The hour is the one before the moment that the new task will show:
    others may have been created meanwhile, and that moment lies as far back as this one waited for the key.
    """
    if not limits.needs_counts(key):
        return
    lately = Q(created_at__gt=created_at - timedelta(hours=1))
    active = Q(status__in=ACTIVE)
    counts = Task.objects.filter(lately | active, key=key).aggregate(
        in_flight=Count("pk", filter=active), last_hour=Count("pk", filter=lately), oldest=Min("created_at", filter=lately)
    )
    limits.check_counts(key, **counts)


def move(task_id: UUID, to: Status, *, lease: Lease | None = None, facts: dict[str, Any] | None = None, **fields: Any) -> bool:
    """Take a task to `to`; False when its status (or the lease) no longer allows that: somebody else was first.

    `facts` go into the event, `fields` into the row. The money follows from the status. A `lease` is given back.
    """
    now = clock.now()
    rows = lease.rows() if lease else Task.objects.filter(pk=task_id)
    ending: dict[str, Any] = {}
    if to in ENDED:
        ending = {"ended_at": now, "next_step_at": None, "trouble": "", "resumes_in": "", "charged": Decimal(0)}
    if lease:
        ending |= {"lease_token": None, "lease_until": None}
    with transaction.atomic():
        if not rows.filter(status__in=ALLOWED[to]).update(status=to, updated_at=now, **ending, **fields):
            return False
        task = Task.objects.get(pk=task_id)
        if to in ENDED:
            _settle(task)
        _record(task, now, facts or {})
    return True


def _record(task: Task, now: datetime, facts: dict[str, Any]) -> None:
    """The event of the status that the task just got. Readers hear of it when this commits."""
    reading = progress.read(task, now)
    then = {"stage": task.stage, "progress": reading.progress, "eta_seconds": reading.eta_seconds}
    position = Feed.objects.next_position(task.key_id)
    event = TaskEvent.objects.create(
        task=task, key_id=task.key_id, position=position, status=task.status, facts=then | facts, created_at=now
    )
    publishing.tell_on_commit(event)


def _settle(task: Task) -> None:
    """Resolve the money of a task that just ended. Its row is locked by the UPDATE before, so what is read here holds."""
    charge = _due(task)
    if charge:
        task.charged = charge
        Task.objects.filter(pk=task.pk).update(charged=charge)
    ledger.settle(task_id=task.pk, captured=charge)


def _due(task: Task) -> Decimal:
    """USD of the held price that an ended task costs: all when completed, nothing when failed, else what its kind says."""
    match task.status:
        case Status.COMPLETED:
            return task.price
        case Status.CANCELLED:
            return kinds.kind_of(task).owed_when_cancelled(task)
    return Decimal(0)


def cancel(task: Task) -> bool:
    """Cancel a task; again is fine. Whether it was this call that did it.

    Raises:
        Conflict: it is completed or failed.
    """
    now = clock.now()
    reached = Greatest(F("progress"), progress.read(task, now).progress)
    if move(task.pk, Status.CANCELLED, stage="cancelled", stage_since=now, progress=reached):
        dispatch.hint_cancelled_on_commit(task.pk, task.kind)
        return True
    status = Task.objects.values_list("status", flat=True).get(pk=task.pk)
    if status != Status.CANCELLED:
        raise Conflict(f"This task is {status}: only one that is queued or processing can be cancelled.", code="task_not_cancellable")
    return False
