"""Tasks whose next step a pause holds: set aside, and made to go on.

A task that is set aside is never due by itself, so it costs no further step. Once a second `go_on` looks which tasks no pause
holds any more. It reads what is true now, so nothing is lost when the process that ended a pause dies, and a pause whose end comes
needs nobody.
"""

from datetime import datetime

from django.db import connection, transaction
from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, Q, Value

from conduit import clock
from keys import known_models
from tasks import pauses, progress, publishing
from tasks.models import PAUSED, Lane, Pause, PauseKind, Task, TaskQuerySet
from tasks.progress import NOT_KNOWN
from tasks.written import TaskFields

# Tasks that go on in one second at most: those that waited must not all be at the provider's door at once.
GO_ON_LIMIT = 200
_STOPS = {Lane.PROVIDER: PauseKind.SENDING, Lane.MEDIA: PauseKind.MEDIA}


class Holds:
    """Which steps the pauses of one moment hold, and until when."""

    def __init__(self, now: datetime) -> None:
        active = Pause.objects.active(now).exclude(kind=PauseKind.NEW_WORK)
        self._pauses = [(pause, _names(pause)) for pause in active]

    def end(self, lane: str, model: str) -> datetime | None:
        """When the last of those that hold such a step ends, NOT_KNOWN while it has no end; None when none holds it."""
        stops = _STOPS[Lane(lane)]
        ends = [pause.until or NOT_KNOWN for pause, names in self._pauses if pause.kind == stops and (not names or model in names)]
        return max(ends, default=None)


def _names(pause: Pause) -> tuple[str, ...]:
    """The names of the model that it is about; none: it is about all."""
    return (known_models.names_of(pause.model) or (pause.model,)) if pause.model else ()


def held_by(pause: Pause) -> TaskQuerySet:
    """The tasks that wait for its end; another pause may hold them too."""
    lane = next((lane for lane, kind in _STOPS.items() if kind == pause.kind), None)
    held = Task.objects.paused().filter(lane=lane) if lane else Task.objects.none()
    names = _names(pause)
    return held.filter(model__in=names) if names else held


def end_of_hold(task: Task, lane: Lane) -> datetime | None:
    """Until when a step of that lane is held, as `Holds.end`. The caller begins the step at once when it is not."""
    return Holds(clock.now()).end(lane, task.model)


def set_aside(task: Task, until: datetime) -> TaskFields:
    """The fields with which a task waits for the end of what holds its next step. Its progress stands still until then."""
    now = clock.now()
    reached = progress.read(task, now).progress
    return {
        "stage": PAUSED,
        "resumes_in": task.stage,
        "stood_for": now - task.stage_since,
        "next_step_at": NOT_KNOWN,
        "progress": reached,
        "leg_goal": max(task.leg_goal, reached),
        "leg_started_at": until,
    }


def go_on(now: datetime) -> None:
    """Make due what no pause holds any more, oldest first, and have the others say until when they wait."""
    pauses.end_those_over(now)
    groups = list(Task.objects.paused().order_by().values_list("lane", "model", "leg_started_at").distinct())
    if not groups:
        return
    holds = Holds(now)
    free: list[Q] = []
    for lane, model, told in groups:
        of_group = Q(lane=lane, model=model, leg_started_at=told)
        end = holds.end(lane, model)
        if end is None:
            free.append(of_group)
        elif end != told:
            Task.objects.paused().filter(of_group).update(leg_started_at=end, updated_at=now)
    if free:
        _release(free, now)


def _release(free: list[Q], now: datetime) -> None:
    with transaction.atomic():
        waiting = Task.objects.paused().filter(_any(free)).order_by("pk")
        if connection.features.has_select_for_update_skip_locked:
            waiting = waiting.select_for_update(skip_locked=True, no_key=True)
        tasks = list(waiting[:GO_ON_LIMIT])
        Task.objects.paused().filter(pk__in=[task.pk for task in tasks]).update(
            stage=F("resumes_in"),
            stage_since=ExpressionWrapper(Value(now) - F("stood_for"), DateTimeField()),
            paused_for=ExpressionWrapper(F("paused_for") + (Value(now) - F("stage_since")), DurationField()),
            resumes_in="",
            leg_started_at=now,
            next_step_at=now,
            updated_at=now,
        )
        for task in tasks:
            publishing.tell_stage_on_commit(task, {"stage": task.resumes_in, "leg_started_at": now})


def _any(groups: list[Q]) -> Q:
    found = groups[0]
    for group in groups[1:]:
        found |= group
    return found
