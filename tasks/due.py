"""Whose turn it is: for each lane one function that says which of its due steps are claimed, and in which order."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection

from tasks.models import Lane, Task, TaskQuerySet

# Of the rows that are due the ids of those to claim now, as many as that at most and the most urgent first. It is called in the
# transaction that claims them, and leaves out by `free_of` what others are claiming.
Choose = Callable[[TaskQuerySet, int], Sequence[UUID]]

Narrow = Callable[[TaskQuerySet], TaskQuerySet]


def longest_waiting(due: TaskQuerySet, limit: int) -> Sequence[UUID]:
    """First due, first served."""
    return list(free_of(due.order_by("next_step_at")).values_list("pk", flat=True)[:limit])


def free_of(rows: TaskQuerySet) -> TaskQuerySet:
    """Those of the rows that nobody else is claiming at this moment. SQLite has one writer at a time, and locks no rows."""
    return rows.select_for_update(skip_locked=True, of=("self",)) if connection.features.has_select_for_update_skip_locked else rows


_choose: dict[str, Choose] = dict.fromkeys(Lane.values, longest_waiting)


def register(lane: Lane, choose: Choose) -> None:
    """Have that function say which steps of the lane are claimed."""
    _choose[lane] = choose


def choose(lane: str, now: datetime, limit: int, among: Narrow | None = None) -> Sequence[UUID]:
    """The rows of the lane whose turn it is; `among` leaves out some that the caller has no room for."""
    rows = Task.objects.due(now, lane)
    return _choose[lane](among(rows) if among else rows, limit)


def soonest(lane: str, now: datetime) -> datetime | None:
    """When the next step of the lane is due that nobody works on; in the past when one is; None when there is none."""
    waiting = Task.objects.active().unleased(now).filter(lane=lane)
    return waiting.order_by("next_step_at").values_list("next_step_at", flat=True).first()
