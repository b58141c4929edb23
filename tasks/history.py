"""The stored events, as streams read them. Everything here asks the database, and so belongs in a thread."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import OuterRef, Subquery

from conduit import clock
from tasks import joins
from tasks.models import Feed, Status, Task, TaskEvent
from tasks.notices import TYPES, Notice
from tasks.presentation import show, show_then
from tasks.progress import LEG, LINE, Legs

# Events in one answer: a reader of a long history takes it in portions.
PAGE = 200


@dataclass(frozen=True, slots=True)
class ReplayedEvent:
    """An event of a key's history, ready to be told. `legs` lead an active task's progress on."""

    position: int
    notice: Notice
    legs: Legs | None
    updated_at: float


@dataclass(frozen=True, slots=True)
class ActiveTask:
    """An active task as it is: what is shown, and what its progress is read off."""

    task: dict[str, Any]
    legs: Legs
    updated_at: float


@dataclass(frozen=True, slots=True)
class Page:
    """Events after a position, in order. `reached` is the position that a reader of them stands at."""

    events: list[ReplayedEvent]
    reached: int
    is_last: bool


@dataclass(frozen=True, slots=True)
class NotKept:
    """The position is older than what is kept, or was never given out. `position` is where the history stands."""

    position: int


class StageChange(NamedTuple):
    """What changes of an active task between two events."""

    key_id: int
    task_id: UUID
    stage: str
    updated_at: datetime
    legs: Legs


def position_of(key_id: int) -> int:
    """The newest event's; 0 before the first."""
    return Feed.objects.filter(pk=key_id).values_list("position", flat=True).first() or 0


def snapshot_of(key_id: int) -> tuple[int, list[ActiveTask]]:
    """A position, and the key's active tasks as they were at that position or, when there are none, at a later one.

    One statement sees the tasks and the position beside them at one moment: no event in between is lost or told twice.
    """
    before = position_of(key_id)
    now = clock.now()
    beside = Subquery(Feed.objects.filter(pk=OuterRef("key_id")).values("position"))
    tasks = Task.objects.active().filter(key_id=key_id).select_related(*joins.related()).annotate(position=beside).order_by("pk")
    position, found = before, []
    for task in tasks:
        position = _beside(task)
        found.append(ActiveTask(show(task, now), Legs.of(task), task.updated_at.timestamp()))
    return position, found


def snapshot_of_task(key_id: int, task_id: UUID) -> tuple[int, Task] | None:
    """The key's task of that id and the position that it was read at; None when the key has none."""
    beside = Subquery(Feed.objects.filter(pk=OuterRef("key_id")).values("position"))
    found = Task.objects.filter(key_id=key_id, pk=task_id).select_related(*joins.related()).annotate(position=beside).first()
    return (_beside(found), found) if found else None


def _beside(task: Any) -> int:
    """The position that was read with the task."""
    position: int = task.position
    return position


def page(key_id: int, after: int, *, task_ids: Collection[UUID] | None = None) -> Page | NotKept:
    """The next events after a position; with `task_ids`, of those tasks alone."""
    feed = Feed.objects.filter(pk=key_id).values_list("position", "kept_from").first()
    position, kept_from = feed or (0, 1)
    if not kept_from - 1 <= after <= position:
        return NotKept(position)
    events = TaskEvent.objects.filter(key_id=key_id, position__gt=after).order_by("position")
    if task_ids is not None:
        events = events.filter(task_id__in=task_ids)
    found = [replayed(event) for event in events.select_related(*_related())[:PAGE]]
    if len(found) == PAGE:
        return Page(found, found[-1].position, is_last=False)
    return Page(found, max([position, *(event.position for event in found)]), is_last=True)


def last_event(task: Task) -> TaskEvent | None:
    """What ended the task, unless it is no longer kept; None while it is active."""
    return None if task.is_active else TaskEvent.objects.filter(task=task, status=task.status).select_related(*_related()).first()


def replayed(event: TaskEvent, own: Mapping[str, Any] | None = None) -> ReplayedEvent:
    """Needs no query when the event's task came with what showing it needs. `own` as in tasks.presentation.show."""
    notice = Notice(TYPES[Status(event.status)], event.position, show_then(event, clock.now(), own))
    task = event.task
    legs = Legs.of(task) if task.is_active and event.status == task.status else None
    return ReplayedEvent(event.position, notice, legs, task.updated_at.timestamp())


def positions(key_ids: Iterable[int]) -> dict[int, int]:
    """Where the histories of these keys stand."""
    return dict(Feed.objects.filter(pk__in=key_ids).values_list("key_id", "position"))


def stage_changes(key_ids: Iterable[int], since: datetime) -> list[StageChange]:
    """What changed of these keys' active tasks since then."""
    rows = Task.objects.active().filter(key_id__in=key_ids, updated_at__gte=since)
    return [StageChange(task.key_id, task.pk, task.stage, task.updated_at, Legs.of(task)) for task in rows.only(*STAGE_FIELDS)]


STAGE_FIELDS = ("key_id", "stage", "updated_at", "status", *LEG, *LINE)


def _related() -> list[str]:
    return ["task", *(f"task__{join}" for join in joins.related())]
