"""One line in the log for each task that ended, with its whole story, and a span of its life where traces are sent.

The process that counts events (tasks.rollups) tells it, once for each: a second or two later, and at no cost to the step that ended it.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction

from conduit import clock, traces
from tasks import kinds
from tasks.models import ACTIVE, Status, Task, TaskEvent

log = structlog.get_logger(__name__)

# After an upgrade, or a long time in which nothing counted, nobody is told of what is long ago.
LATELY = timedelta(days=1)


def tell_on_commit(events: Sequence[TaskEvent]) -> None:
    """Tell of those among these events that ended a task."""
    since = clock.now() - LATELY
    ended = [event.task_id for event in events if event.status not in ACTIVE and event.created_at > since]
    if ended:
        transaction.on_commit(lambda: tell(ended), robust=True)


def tell(ended: Sequence[UUID]) -> None:
    """A line for each of these tasks. Four queries."""
    tasks = list(Task.objects.filter(pk__in=ended).order_by("ended_at"))
    more = kinds.stories_of_ended(tasks)
    for task in tasks:
        story = story_of(task) | more.get(task.pk, {})
        log.log(logging.WARNING if task.status == Status.FAILED else logging.INFO, "task ended", **story)
        if task.ended_at:
            traces.tell_life(kinds.kind_of(task).work, task.traceparent, task.created_at, task.ended_at, story)


def story_of(task: Task) -> dict[str, Any]:
    """What is told of a task of any kind: nothing that was asked for, and nothing secret."""
    ended_at, started_at = task.ended_at or task.updated_at, task.started_at
    story = {
        "task_id": str(task.pk),
        "status": str(task.status),
        "cause": task.error_code,
        "model": task.model,
        "key_id": task.key_id,
        "team_id": task.team_id,
        "retry_of": task.retry_of_id and str(task.retry_of_id),
        "ended_at": ended_at.isoformat(),
        "seconds": _seconds(ended_at - task.created_at),
        "queued_seconds": _seconds((started_at or ended_at) - task.created_at),
        "price": str(task.price),
        "charged": None if task.charged is None else str(task.charged),
        "trace": traces.trace_id_of(task.traceparent),
    }
    return {name: value for name, value in story.items() if value not in (None, "")}


def _seconds(span: timedelta) -> float:
    return round(span.total_seconds(), 3)
