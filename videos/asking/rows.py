"""Questions as rows: claimed together, and written back together when nothing has changed."""

import time
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Value
from django.db.models.functions import Greatest

from conduit import clock
from tasks import leases
from tasks.leases import Hold, Lease, lapse
from tasks.models import ACTIVE, Lane, Status, Task, TaskQuerySet
from videos.models import Clip, ClipState

_CLIPS, _TASKS = Clip._meta.db_table, Task._meta.db_table
_ACTIVE = ", ".join(f"'{status}'" for status in ACTIVE)


@dataclass(frozen=True, slots=True)
class Question:
    """How the job of one clip goes, asked under the task's lease."""

    lease: Lease
    clip_id: int
    account_id: int | None
    api: str
    upstream: str
    job: str  # MiniMax's id of it
    stage: str  # of the task
    due_at: datetime
    is_called_back: bool  # MiniMax says itself when something becomes of the job
    is_routine: bool  # it was asked before, nothing was wrong since, and no time limit can be over: the same answer changes nothing


def claim(*, limit: int, busy_accounts: Collection[int]) -> tuple[list[Question], list[Lease]]:
    """Take due questions, except those for accounts that are busy; and steps of the lane that are none, for the engine to sort out."""
    if leases.begins_nothing():
        return [], []
    now = clock.now()
    if connection.vendor == "postgresql":
        return _claim_at_once(now, limit, busy_accounts)
    taken = leases.take_due(now, lane=Lane.ASKING, limit=limit, among=lambda due: _of_others(due, busy_accounts))
    found = {lease.task_id: lease for lease in taken}
    clips = Clip.objects.filter(video_id__in=found, state=ClipState.SUBMITTED).order_by("-number")
    questions = {row[0]: _question(found[row[0]], now, *row[1:]) for row in clips.values_list(*_COLUMNS)} if found else {}
    return list(questions.values()), [lease for lease in taken if lease.task_id not in questions]


_OF_CLIP = (
    "pk", "account_id", "api", "upstream", "provider_task_id", "pushed_at", "seen_running_at", "submitted_at", "taken_from_id",
)  # fmt: skip
_OF_TASK = ("stage", "status", "last_error_code", "deadline_at", "next_step_at")
_COLUMNS = ("video_id", *_OF_CLIP, *(f"video__task__{name}" for name in _OF_TASK))

_COLUMNS_OF_CLIP = [str(Clip._meta.get_field(name).column) for name in ("id", *_OF_CLIP[1:])]  # type: ignore[union-attr]
_COLUMNS_OF_TASK = [str(Task._meta.get_field(name).column) for name in _OF_TASK]  # type: ignore[union-attr]


# As tasks.leases.take_due does it, with the clip at hand beside each task.
_CLAIM = f"""
WITH chosen AS MATERIALIZED (
    SELECT id FROM {_TASKS}
    WHERE lane = '{Lane.ASKING}' AND status IN ({_ACTIVE}) AND next_step_at <= %(now)s
        AND (lease_until IS NULL OR lease_until < %(now)s)
        AND (cardinality(%(busy)s::bigint[]) = 0 OR NOT EXISTS (
            SELECT FROM {_CLIPS} WHERE video_id = {_TASKS}.id AND state = '{ClipState.SUBMITTED}' AND account_id = ANY(%(busy)s)))
    ORDER BY next_step_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE {_TASKS} SET lease_token = %(token)s, lease_until = %(until)s, attempts = attempts + 1
    FROM chosen WHERE {_TASKS}.id = chosen.id
    RETURNING {_TASKS}.id, {", ".join(f"{_TASKS}.{column}" for column in _COLUMNS_OF_TASK)}
)
SELECT taken.id, {", ".join(f"clip.{column}" for column in _COLUMNS_OF_CLIP)}, {", ".join(_COLUMNS_OF_TASK)}
FROM taken LEFT JOIN LATERAL (
    SELECT * FROM {_CLIPS} WHERE video_id = taken.id AND state = '{ClipState.SUBMITTED}' ORDER BY number LIMIT 1
) AS clip ON true
"""  # noqa: S608 - our own names


def _question(
    lease: Lease,
    now: datetime,
    clip_id: int,
    account_id: int | None,
    api: str,
    upstream: str,
    job: str,
    pushed_at: datetime | None,
    seen_running_at: datetime | None,
    submitted_at: datetime,
    taken_from: int | None,
    stage: str,
    status: str,
    last_error_code: str,
    deadline_at: datetime | None,
    due_at: datetime,
) -> Question:
    in_time = now - submitted_at < timedelta(seconds=settings.GENERATING_SECONDS_MAX) and (deadline_at is None or now < deadline_at)
    is_routine = in_time and seen_running_at is not None and status == Status.PROCESSING and not last_error_code and taken_from is None
    return Question(lease, clip_id, account_id, api, upstream, job, stage, due_at, pushed_at is not None, is_routine)


def _claim_at_once(now: datetime, limit: int, busy_accounts: Collection[int]) -> tuple[list[Question], list[Lease]]:
    """In one statement: what five take of a process that asks a thousand times a second is half of all it does."""
    token, hold = uuid.uuid4(), Hold(time.monotonic())
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"now": now, "limit": limit, "busy": list(busy_accounts), "token": token, "until": lapse(now)})
        rows = cursor.fetchall()
    leased = [(Lease(row[0], token, hold), row[1:]) for row in rows]
    return [_question(lease, now, *row) for lease, row in leased if row[0] is not None], [lease for lease, row in leased if row[0] is None]


def _of_others(due: TaskQuerySet, busy_accounts: Collection[int]) -> TaskQuerySet:
    if not busy_accounts:
        return due
    of_busy = Clip.objects.filter(video_id=OuterRef("pk"), state=ClipState.SUBMITTED, account_id__in=busy_accounts)
    return due.filter(~Exists(of_busy))


@dataclass(frozen=True, slots=True)
class Back:
    """A row to be written back: asked, and unchanged; or not asked, for want of time."""

    question: Question
    due_at: datetime
    was_asked: bool = True


_GIVE_BACK = f"""
WITH back AS (SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::timestamptz[], %s::boolean[]) AS back (task_id, token, due_at, was_asked)),
freed AS (
    UPDATE {_TASKS} SET next_step_at = back.due_at, lease_token = NULL, lease_until = NULL,
        attempts = CASE WHEN was_asked THEN 0 ELSE greatest(attempts - 1, 0) END
    FROM back WHERE {_TASKS}.id = back.task_id AND lease_token = back.token AND status IN ({_ACTIVE})
    RETURNING {_TASKS}.id, was_asked
)
UPDATE {_CLIPS} SET seen_running_at = %s FROM freed
WHERE {_CLIPS}.video_id = freed.id AND freed.was_asked AND {_CLIPS}.state = '{ClipState.SUBMITTED}'
"""  # noqa: S608 - our own names


def give_back(rows: Sequence[Back]) -> None:
    """Write all of them back, each as long as its lease is its own: in one statement on PostgreSQL."""
    if not rows:
        return
    now = clock.now()
    if connection.vendor != "postgresql":
        _give_back_one_by_one(rows, now)
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _GIVE_BACK,
            [
                [row.question.lease.task_id for row in rows],
                [row.question.lease.token for row in rows],
                [row.due_at for row in rows],
                [row.was_asked for row in rows],
                now,
            ],
        )


def _give_back_one_by_one(rows: Sequence[Back], now: datetime) -> None:
    """In one transaction, for a database that has no such statement."""
    with transaction.atomic():
        for row in rows:
            attempts = Value(0) if row.was_asked else Greatest(F("attempts") - 1, 0)
            freed = row.question.lease.rows().update(next_step_at=row.due_at, lease_token=None, lease_until=None, attempts=attempts)
            if freed and row.was_asked:
                Clip.objects.filter(pk=row.question.clip_id, state=ClipState.SUBMITTED).update(seen_running_at=now)
