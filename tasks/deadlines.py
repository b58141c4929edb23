"""Deadlines that consumers give: what is not done by then is cancelled, and costs what a cancel costs.

The row says when; the control process asks once a second for those that are past it, by an index of their own. So nothing is lost with
a message or a process. A step that comes before it looks too, and nothing is completed after the deadline (tasks.lifecycle.move): of two
who end a task at the same moment one transition wins.
"""

import time
from datetime import datetime

import structlog

from conduit.api.errors import Conflict
from tasks import lifecycle
from tasks.models import DEADLINE_EXCEEDED, Task

log = structlog.get_logger(__name__)

# What one look ends at most, and how long it may take for that: the process that looks does other things each second too.
LIMIT, SECONDS = 200, 1.0


def end_due(now: datetime) -> int:
    """End those whose deadline has come, as many as there is time for; the rest is a second late. How many were ended."""
    until, ended = time.monotonic() + SECONDS, 0
    for task in Task.objects.past_deadline(now)[:LIMIT]:
        try:
            ended += end(task)
        except Exception:
            log.exception("a task is not ended at its deadline", task_id=str(task.pk))
        if time.monotonic() > until:
            break
    return ended


def is_past(task: Task, now: datetime) -> bool:
    return task.deadline_at is not None and task.deadline_at <= now


def end(task: Task) -> bool:
    """Cancel a task for its deadline; False when it had ended otherwise."""
    try:
        ended = lifecycle.cancel(task, error_code=DEADLINE_EXCEEDED)
    except Conflict:
        return False
    if ended:
        log.info("task ended at its deadline", task_id=str(task.pk))
    return ended
