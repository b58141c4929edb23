"""What may be written to a task's row, by name: a wrong name or value is found before it runs."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypedDict

from django.db.models import Expression


class LegFields(TypedDict):
    """Of the leg that begins (tasks.progress)."""

    progress: int
    leg_goal: int
    leg_started_at: datetime
    leg_seconds: float
    rest_seconds: float


class ProgressFields(TypedDict, total=False):
    """Of where a task stands, as it is shown."""

    stage: str
    waits_for: str
    queue_position: int | None
    progress: int | Expression
    leg_goal: int
    leg_started_at: datetime
    leg_seconds: float
    rest_seconds: float


class TaskFields(ProgressFields, total=False):
    """Of steps, and of moves from one status to another; what follows from the status itself is `lifecycle.move`'s own."""

    stage_since: datetime
    resumes_in: str
    stood_for: timedelta
    paused_for: timedelta
    last_error_code: str
    error: str
    error_code: str
    charged: Decimal

    lane: str
    next_step_at: datetime
    attempts: int
    started_at: datetime
    updated_at: datetime
