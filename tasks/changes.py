"""What happened to any task since the last look: for a reader of all of them, which asks again and again.

Events are found by their ids. On PostgreSQL these become visible out of order: a transaction that took an id earlier may commit
later. So ids that were jumped over are asked for again, until they are there or nobody can hold them any more.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db.models import Max, Q

from tasks.history import STAGE_FIELDS
from tasks.models import Status, Task, TaskEvent
from tasks.progress import Legs

# How long an id is waited for that was jumped over (seconds): no transaction here stands for longer, and most that lost one rolled back.
PATIENCE_SECONDS = 60.0
# Ids that are waited for at most, and events of one look. A reader that is further behind begins anew: pages show what is, not what was.
MISSING_MAX, EVENTS_MAX = 1000, 2000
# A reader who comes looks back by so many events: their neighbours may be in the air.
LOOK_BACK = 100
# The newest tasks that are remembered, to tell how many are newer than one.
NEWEST = 500
# Clocks of processes differ by a little, and transactions commit late.
SLACK = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Seen:
    """Tasks that something happened to, and those of them that are new. `everything`: nobody knows, read all of it anew."""

    tasks: frozenset[str] = frozenset()
    created: tuple[str, ...] = ()
    everything: bool = False


class FollowedTask(NamedTuple):
    """Where a task stands, for a reader that follows its progress between two events."""

    task_id: str
    updated_at: datetime
    legs: Legs


class Changes:
    """One reader's place among all events. Belongs to one thread at a time; each call is one query or two."""

    def __init__(self) -> None:
        self._top: int | None = None
        self._missing: dict[int, float] = {}  # until when each is waited for

    def look(self) -> Seen:
        """What has become visible since the last look; at the first, what happened last."""
        begins = self._top is None
        if begins:
            self._top = max(0, _newest() - LOOK_BACK)
        rows = self._rows()
        if not rows and self._top and _newest() < self._top:  # another history (a database was restored), or none is kept
            self._top, self._missing = None, {}
            return Seen(everything=True)
        if len(rows) == EVENTS_MAX:
            self._top, self._missing = None, {}
            return Seen(everything=True)
        if begins and rows:
            self._top = rows[0][0] - 1  # ids before may be gone for good: they are not missed
        self._note([pk for pk, _, _ in rows])
        created = tuple(str(task_id) for _, task_id, status in rows if status == Status.QUEUED)
        return Seen(frozenset(str(task_id) for _, task_id, _ in rows), created)

    def _rows(self) -> list[tuple[int, UUID, str]]:
        unseen = Q(pk__gt=self._top)
        if self._missing:
            unseen |= Q(pk__in=list(self._missing))
        return list(TaskEvent.objects.filter(unseen).order_by("pk").values_list("pk", "task_id", "status")[:EVENTS_MAX])

    def _note(self, ids: list[int]) -> None:
        now, found = time.monotonic(), set(ids)
        self._missing = {pk: until for pk, until in self._missing.items() if pk not in found and until > now}
        top = self._top or 0
        if ids and ids[-1] > top:
            jumped = [pk for pk in range(max(top, ids[-1] - MISSING_MAX) + 1, ids[-1]) if pk not in found]
            self._missing |= dict.fromkeys(jumped[-MISSING_MAX:], now + PATIENCE_SECONDS)
            self._top = ids[-1]


def _newest() -> int:
    return TaskEvent.objects.aggregate(newest=Max("pk"))["newest"] or 0


def followed(task_ids: Collection[str], anyhow: Collection[str], since: datetime) -> list[FollowedTask]:
    """Where those of the tasks stand that were written to since then or a little before, and `anyhow` those."""
    lately = Q(pk__in=anyhow) | Q(updated_at__gte=since - SLACK)
    rows = Task.objects.filter(lately, pk__in=task_ids).only(*STAGE_FIELDS)
    return [FollowedTask(str(task.pk), task.updated_at, Legs.of(task)) for task in rows]


def newest_ids() -> list[str]:
    """The newest tasks' ids, oldest first."""
    return [str(pk) for pk in reversed(Task.objects.order_by("-pk").values_list("pk", flat=True)[:NEWEST])]


def newest_id() -> str | None:
    """None while there is no task."""
    newest = Task.objects.order_by("-pk").values_list("pk", flat=True).first()
    return str(newest) if newest else None


def count_newer(than: UUID) -> int:
    """How many tasks are newer than that one; NEWEST stands for as many or more."""
    return len(Task.objects.filter(pk__gt=than).order_by().values_list("pk")[:NEWEST])
