"""A task's life: which status may follow which, and how a change is made.

A change of status is one guarded UPDATE with its event and its money in the same transaction. Losing the race against
somebody else's change is an answer, not an error.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Unpack
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, F, Model, Q, Value
from django.db.models.functions import Greatest

from conduit import clock, statements
from conduit.api.errors import Conflict
from conduit.statements import Last, Statement, Steps, insert, is_written
from keys import ledger, locks, spending
from tasks import dispatch, kinds, own_limits, progress, publishing
from tasks.leases import Lease
from tasks.models import ACTIVE, OWN_LIMIT, Feed, Status, Task, TaskEvent
from tasks.notifications import outbox
from tasks.notifications.audience import Audience
from tasks.written import TaskFields

log = structlog.get_logger(__name__)

ALLOWED: dict[Status, frozenset[Status]] = {
    Status.PROCESSING: frozenset({Status.QUEUED}),
    Status.COMPLETED: frozenset({Status.PROCESSING}),
    Status.FAILED: frozenset({Status.QUEUED, Status.PROCESSING}),
    Status.CANCELLED: frozenset({Status.QUEUED, Status.PROCESSING}),
}
ENDED = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})


def creating(task: Task, *parts: Model, audience: Audience | None = None) -> Steps[TaskEvent]:
    """Write a new task with its hold, `parts` (what its kind keeps of it) and its first event; `tell_created` when it is committed.

    With the `audience` of a moment ago all of it is one batch, where the key's row allows.

    Raises:
        ApiError: the key of now may not create it (keys.spending.reserve).
        keys.locks.Moved: the key or the audience has changed: again, without `audience`.
    """
    reserved = yield from spending.reserve(
        task.key,
        task_id=task.pk,
        task_kind=task.kind,
        model=task.model,
        amount=task.price,
        counting=_counting(task),
        also=audience.still if audience else None,
    )
    task.key = reserved.key
    task.team = reserved.key.team
    if reserved.waiting is not None:
        own_limits.hold_back(task, before=reserved.waiting)
    event = _event_of(task, task.created_at, {})
    place = {"position": (f"(SELECT position FROM {Feed._meta.db_table} WHERE key_id = %s)", [task.key_id])}  # noqa: S608 - our own
    if audience and reserved.is_as_read:
        event.is_to_be_told = task.webhook is not None or audience.hears(key_id=task.key_id, team_id=task.team_id)
    else:
        place["is_to_be_told"] = _is_to_be_told(task)
    writes = [*reserved.writes, insert(task), *map(insert, parts)]
    # The place in the key's history last: other events of the key wait for it until the commit.
    writes += [Feed.objects.taking_position(task.key_id), insert(event, returning="id, position", computed=place)]
    with locks.noticing_moves():
        *_, [(event.pk, event.position)] = yield Last(writes)
    is_written(task, event, *parts)
    return event


def tell_created(event: TaskEvent, own: Callable[[], Mapping[str, Any]]) -> None:
    """What is told of a new task once it is committed. All of it may be lost: what goes wrong is logged, and stops nothing else.

    `own` gives the fields that its kind shows of it.
    """
    task = event.task
    for tell in (
        lambda: None if task.waits_for == OWN_LIMIT else dispatch.hint_soon(task.lane),
        lambda: publishing.tell_whole(event, own),
        # The line that ties the request's id to the task's.
        lambda: log.info("task created", task_id=str(task.pk), kind=task.kind, model=task.model),
    ):
        try:
            tell()
        except Exception:
            log.exception("not told of a new task", task_id=str(task.pk))


def _counting(task: Task) -> Statement:
    """Counts what the key's limits of tasks are about, from the rows, so that nothing leaks (keys.spending.reserve)."""
    hour_ago = task.created_at - timedelta(hours=1)
    return Statement(_COUNTS, [hour_ago, hour_ago, task.key_id, hour_ago], _COUNTED)


_ACTIVE = "status IN ({})".format(", ".join(f"'{status}'" for status in ACTIVE))  # as the index of them says it
_COUNTS = f"""
SELECT count(*) FILTER (WHERE {_ACTIVE} AND waits_for <> '{OWN_LIMIT}'), count(*) FILTER (WHERE created_at > %s),
min(created_at) FILTER (WHERE created_at > %s), count(*) FILTER (WHERE {_ACTIVE} AND waits_for = '{OWN_LIMIT}')
FROM {Task._meta.db_table} WHERE key_id = %s AND (created_at > %s OR {_ACTIVE})
"""  # noqa: S608 - our own words
_COUNTED = (None, None, Task._meta.get_field("created_at"), None)


def move(
    task_id: UUID,
    to: Status,
    *,
    lease: Lease | None = None,
    facts: dict[str, Any] | None = None,
    settles_later: bool = False,
    **fields: Unpack[TaskFields],
) -> bool:
    """Take a task to `to`; False when its status (or the lease) no longer allows that: somebody else was first.

    `facts` go into the event, `fields` into the row. The money follows from the status, or with `settles_later` from `settle`, which
    is called when it is known. A `lease` is given back. Past its deadline nothing is completed any more.
    """
    now = clock.now()
    rows = lease.rows() if lease else Task.objects.filter(pk=task_id)
    if to == Status.COMPLETED:
        rows = rows.filter(Q(deadline_at=None) | Q(deadline_at__gt=now))
    ending: dict[str, Any] = {}
    if to in ENDED:
        ending = {"ended_at": now, "next_step_at": None, "last_error_code": "", "resumes_in": "", "waits_for": "", "queue_position": None}
        ending |= {"settles_later": True} if settles_later else {"charged": Decimal(0)}
        ending["prompts_end_at"] = _later(now, "prompts_kept_for")
    if to == Status.COMPLETED:
        ending["results_end_at"] = _later(now, "results_kept_for")
    if lease:
        ending |= {"lease_token": None, "lease_until": None}
    with transaction.atomic():
        if not rows.filter(status__in=ALLOWED[to]).update(status=to, updated_at=now, **ending, **fields):
            return False
        task = Task.objects.get(pk=task_id)
        if to in ENDED and not settles_later:
            _settle(task)
        _record(task, now, facts or {})
    return True


def _later(now: datetime, column: str) -> "ExpressionWrapper[Any]":
    """The moment so long after now as the column says; none where it says nothing."""
    return ExpressionWrapper(Value(now) + F(column), DateTimeField())


def _record(task: Task, now: datetime, facts: dict[str, Any]) -> None:
    """Write the event of the status that the task just got. Readers hear of it when this commits."""
    event = _event_of(task, now, facts)
    event.position = Feed.objects.next_position(task.key_id)
    [[[event.pk]]] = statements.do(insert(event, returning="id", computed={"is_to_be_told": _is_to_be_told(task)}))
    is_written(event)
    transaction.on_commit(lambda: publishing.tell(event), robust=True)


def _is_to_be_told(task: Task) -> tuple[str, list[Any]]:
    """Whether anybody asked for webhooks of it: known to the statement that writes the event, so that it takes none of its own."""
    return outbox.wanted(key_id=task.key_id, team_id=task.team_id, task_id=task.pk)


def _event_of(task: Task, now: datetime, facts: dict[str, Any]) -> TaskEvent:
    """The event of the task's status, without its position, and not written."""
    reading = progress.read(task, now)
    then = {"stage": task.stage, "progress": reading.progress, "eta_seconds": reading.eta_seconds}
    if task.waits_for:
        then |= {"waits_for": task.waits_for, "queue_position": task.queue_position}
    return TaskEvent(task=task, key_id=task.key_id, status=task.status, facts=then | facts, created_at=now)


def _settle(task: Task) -> None:
    """Resolve the money of a task that just ended. Its row is locked by the UPDATE before, so what is read here holds."""
    charge = _due(task)
    if charge:
        task.charged = charge
        Task.objects.filter(pk=task.pk).update(charged=charge)
    ledger.settle(task_id=task.pk, captured=charge)


def settle(task_id: UUID, charge: Decimal) -> bool:
    """Resolve the money of a task that ended with `settles_later`: `charge` USD of its hold, and the rest goes back. False when it was
    resolved before. Belongs inside a transaction."""
    waiting = Task.objects.filter(pk=task_id, settles_later=True)
    if not waiting.update(settles_later=False, charged=charge, updated_at=clock.now()):
        return False
    ledger.settle(task_id=task_id, captured=charge)
    return True


def _due(task: Task) -> Decimal:
    """USD of the held price that an ended task costs: all when completed, nothing when failed, else what its kind says."""
    match task.status:
        case Status.COMPLETED:
            return task.price
        case Status.CANCELLED:
            return kinds.kind_of(task).owed_when_cancelled(task)
    return Decimal(0)


def cancel(task: Task, *, error_code: str = "") -> bool:
    """Cancel a task; again is fine. Whether it was this call that did it.

    `error_code` says why, where nobody asked for it.

    Raises:
        Conflict: it is completed or failed.
    """
    now = clock.now()
    reached = Greatest(F("progress"), progress.read(task, now).progress)
    if move(task.pk, Status.CANCELLED, stage="cancelled", stage_since=now, progress=reached, error_code=error_code):
        dispatch.hint_cancelled_on_commit(task.pk, task.kind)
        return True
    status = Task.objects.values_list("status", flat=True).get(pk=task.pk)
    if status != Status.CANCELLED:
        raise Conflict(f"This task is {status}: only one that is queued or processing can be cancelled.", code="task_not_cancellable")
    return False
