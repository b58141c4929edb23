"""The task as the API shows it."""

import copy
from collections.abc import Hashable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from conduit.api.formats import money, rfc3339
from keys import price_factors
from tasks import kinds, progress
from tasks.models import ACTIVE, Status, Task, TaskEvent

# The columns of a task that `show` reads.
SHOWN = (
    *("id", "key_id", "kind", "model", "metadata", "retry_of_id", "status", "stage", "error", "error_code", "price", "charged"),
    "settles_later",
    *("progress", "leg_goal", "leg_started_at", "leg_seconds", "rest_seconds"),
    *("waits_for", "queue_position"),
    *("created_at", "updated_at", "started_at", "ended_at", "results_end_at", "prompts_end_at"),
)


def show(task: Task, now: datetime, own: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The contract's task object. `task` comes from `Task.objects.for_key` and needs no further query.

    `own`: what only its kind knows of it. Its kind is asked where the caller does not have it.
    """
    reading = progress.read(task, now)
    return {
        "task_id": str(task.pk),
        "object": "task",
        "type": task.kind,
        "status": task.status,
        "progress": reading.progress,
        "stage": task.stage,
        "waiting_for": kinds.waiting_for(task.kind, task.stage, task.waits_for),
        "queue_position": task.queue_position,
        "eta_seconds": reading.eta_seconds,
        "model": task.model,
        **(kinds.kind_of(task).show(task, now) if own is None else own),
        "created_at": rfc3339(task.created_at),
        "updated_at": rfc3339(task.updated_at),
        "started_at": rfc3339(task.started_at),
        "completed_at": rfc3339(task.ended_at) if task.status == Status.COMPLETED else None,
        "expires_at": rfc3339(task.expires_at),
        "error": task.error or None,
        "error_code": task.error_code or None,
        "retry_of": str(task.retry_of_id) if task.retry_of_id else None,
        "cost": cost(estimated=task.price, held=task.held, charged=task.charged),
        "metadata": task.metadata,
    }


def version_of_ended(task: Task, now: datetime) -> Hashable:
    """Equal to what it was while `show` shows the same of a task that ended; None while it is under way, and moves with the clock.

    A change of what is shown of an ended task raises its `updated_at`.
    """
    return None if task.is_active else (task.pk, task.updated_at, kinds.kind_of(task).clock_of_ended(now))


def location(task: Task) -> dict[str, str]:
    """The header that says where a new task is."""
    return {"Location": f"/v1/tasks/{task.pk}"}


def show_to_operators(task: Task, now: datetime) -> dict[str, Any]:
    """The same with whose it is and what holds it up, for operators. `task` comes from `Task.objects.for_operators`."""
    return show(task, now) | {
        "key": {"id": task.key_id, "name": task.key.name},
        "team": {"id": task.team_id, "name": task.team.name if task.team else None} if task.team_id else None,
        "price_factor": price_factors.written(task.price_factor),
        "last_error_code": task.last_error_code or None,
        "attempts": task.attempts,
        "deadline_at": rfc3339(task.deadline_at),
        "next_step_at": rfc3339(task.next_step_at),
        **kinds.kind_of(task).show_to_operators(task),
    }


def show_then(event: TaskEvent, now: datetime, own: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The event's task as it was when it happened: nothing of what came later. Links are signed at `now`; `own` as in `show`.

    An ended task does not change any more, so its row says how it was; of a former status the row says what stays, and
    the event the rest.
    """
    if event.status not in ACTIVE:
        return show(event.task, now, own)
    facts = event.facts
    stage, reached = facts.get("stage", event.status), facts.get("progress", 0)  # absent in events of before they were kept
    shown = show(_back_then(event, stage), event.created_at, own)
    return shown | {"progress": reached, "eta_seconds": facts.get("eta_seconds"), "updated_at": rfc3339(event.created_at)}


def _back_then(event: TaskEvent, stage: str) -> Task:
    task = copy.copy(event.task)
    task.status, task.stage, task.charged, task.ended_at, task.error, task.error_code = event.status, stage, None, None, "", ""
    task.waits_for, task.queue_position = event.facts.get("waits_for", ""), event.facts.get("queue_position")
    task.settles_later = False
    task.results_end_at = task.prompts_end_at = None
    if event.status == Status.QUEUED:
        task.started_at = None
    return task


def cost(*, estimated: Decimal, held: Decimal | None = None, charged: Decimal | None = None) -> dict[str, str | None]:
    return {"estimated": money(estimated), "held": money(held), "charged": money(charged), "currency": "USD"}
