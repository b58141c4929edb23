"""Tasks as a source of webhooks: their events, which say themselves whether anybody is to be told of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from conduit import clock
from conduit.api.formats import rfc3339
from tasks import joins, kinds, progress
from tasks.models import Status, Task, TaskEvent
from tasks.notices import TYPES
from tasks.notifications import event_types
from tasks.notifications.models import Endpoint, Message, TaskTarget
from tasks.notifications.sources import Happening, Source
from tasks.presentation import show, show_then

NAME = "tasks"


def take(limit: int) -> list[Happening]:
    """The oldest events that are still to be told, as what they are called. Belongs inside a transaction: they are told once."""
    events = list(TaskEvent.objects.filter(is_to_be_told=True).order_by("pk").select_related("task")[:limit])
    if events:
        TaskEvent.objects.filter(pk__in=[event.pk for event in events]).update(is_to_be_told=False)
    return [_happening(event) for event in events]


def _happening(event: TaskEvent) -> Happening:
    task, status = event.task, Status(event.status)
    return Happening(
        [TYPES[status], *kinds.kind_of(task).also_told_as(status, task.error_code)],
        at=event.created_at,
        source_id=str(event.pk),
        key_id=task.key_id,
        team_id=task.team_id,
        task_id=task.pk,
        traceparent=task.traceparent,
    )


def data_of(messages: Sequence[Message], now: datetime) -> Mapping[str, dict[str, Any]]:
    """The task of each, as REST shows it: as it was when that happened, with links that are good now."""
    related = [f"task__{join}" for join in joins.related()]
    numbers = {message.id: int(message.source_id) for message in messages if message.source_id}
    events = TaskEvent.objects.select_related("task", *related).in_bulk(numbers.values())
    # Of an event that is not kept any more, and of progress, the task tells as it is now.
    others = {message.task_id for message in messages if message.task_id and numbers.get(message.id) not in events}
    tasks: dict[UUID | None, Task] = Task.objects.select_related(*joins.related()).in_bulk(others) if others else {}
    data: dict[str, dict[str, Any]] = {}
    for message in messages:
        if event := events.get(numbers.get(message.id, 0)):
            data[message.id] = _with_id(show_then(event, now))
        elif (task := tasks.get(message.task_id)) and message.type != event_types.PROGRESS:
            data[message.id] = _with_id(show(task, now))
        elif task and task.is_active:  # as far as it was then: who sends it later would tell a figure that the next message tells too
            data[message.id] = _with_id(show(task, message.happened_at))
    return data


def _with_id(task: dict[str, Any]) -> dict[str, Any]:
    return {"id": task["task_id"], **task}


def sample(type: str) -> dict[str, Any] | None:
    """A task that there never was, such as a receiver is told of."""
    if type not in event_types.ABOUT_TASKS:
        return None
    status = {"started": "processing", "progress": "processing"}.get(word := type.partition(".")[2], word)
    moment = rfc3339(datetime.fromisoformat("2026-01-01T12:00:00+00:00"))
    ended = status == "completed"
    return {
        "id": str(UUID(int=0)),
        "task_id": str(UUID(int=0)),
        "object": "task",
        "type": "video_generation",
        "status": status,
        "progress": 100 if ended else 0 if status == "queued" else 40,
        "stage": status,
        "model": "minimax-video",
        "prompt": "A test of your webhook.",
        "created_at": moment,
        "updated_at": moment,
        "completed_at": moment if ended else None,
        "result": {"video_url": "https://example.com/video.mp4", "thumbnail_url": "https://example.com/thumbnail.jpg"} if ended else None,
        "error": "A test: nothing failed." if status == "failed" else None,
        "error_code": "test" if status == "failed" else None,
        "metadata": {},
    }


SOURCE = Source(name=NAME, take=take, data_of=data_of, sample=sample)


# ---- Progress, which is no event: it is read off the clock -------------------------------------------------------------

# Between two that are told of a task, in seconds.
PROGRESS_SECONDS = 10.0


def _progress(limit: int) -> list[Happening]:
    """How far tasks are that are being made, of those whose progress somebody asked for. Each figure of a task is told once."""
    asked: set[tuple[int | None, int | None]] = set(
        Endpoint.objects.filter(wants_progress=True, disabled_at=None).order_by().values_list("key_id", "team_id")
    )
    own = TaskTarget.objects.filter(wants_progress=True, gone_at=None).values("task_id")
    whose = (
        Q(pk__in=own) | Q(key_id__in={key_id for key_id, _ in asked} - {None}) | Q(team_id__in={team_id for _, team_id in asked} - {None})
    )
    making = Task.objects.filter(status=Status.PROCESSING).order_by("-pk")
    if (None, None) not in asked:
        making = making.filter(whose)
    now = clock.now()
    return [_how_far(task, progress.read(task, now).progress, now) for task in making[:limit]]


def _how_far(task: Task, reached: int, now: datetime) -> Happening:
    return Happening(
        [event_types.PROGRESS],
        at=now,
        key_id=task.key_id,
        team_id=task.team_id,
        task_id=task.pk,
        traceparent=task.traceparent,
        once=f"{task.pk} {reached}",
    )


PROGRESS = Source(name="progress", take=_progress, data_of=data_of, seconds=PROGRESS_SECONDS)
