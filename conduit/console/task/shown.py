"""What the page of a task shows, in plain values for its template."""

from datetime import datetime
from typing import Any

from django.db.models import Model
from django.http import HttpRequest

from conduit.console.pages import may
from conduit.console.task.curl import curl_of
from conduit.console.tasks.addresses import tasks_address
from conduit.console.tasks.rows import rows
from tasks.models import Status, Task
from videos.exchange_models import Exchange
from videos.life import LifePart, State
from videos.links import media_path
from videos.minimax.exchanges import TEXT_MAX
from videos.models import Clip, ClipState
from videos.stages import Stage
from videos.story import EXCHANGES_READ, Story
from videos.ticket import ticket

_WORDS_OF_STATE = {
    ClipState.PLANNED: "to be ordered",
    ClipState.SUBMITTING: "sent, and not answered",
    ClipState.SUBMITTED: "at MiniMax",
    ClipState.MADE: "made, to be fetched",
    ClipState.LOCATED: "made, to be fetched",
    ClipState.STORED: "fetched, to be looked into",
    ClipState.FAILED: "failed",
    ClipState.READY: "ready",
}
TITLE_CHARACTERS = 100
# Below this a bar would not be seen.
_LEAST_WIDTH = 0.5


def shown(request: HttpRequest, story: Story, now: datetime) -> dict[str, Any]:
    """The context of the template, with what the account may do."""
    task = story.task
    return {
        "task": task,
        "row": rows([task.pk])[task.pk],
        "now": now,
        "prompt_is_cut": len(task.video.prompt) > TITLE_CHARACTERS,
        "asked_ago": (now - task.created_at).total_seconds(),
        "lists": _lists(task),
        "actions": _actions(request, task) | {"reconcile": _may_reconcile(request, story)},
        "player": _player(task, now),
        "life": _life(story, now),
        "took": ((task.ended_at or now) - task.created_at).total_seconds(),
        "money": story.money,
        "plan": story.plan,
        "clips": [{"made": made, "state": _state(made.clip)} for made in story.clips],
        "verdict": story.verdict,
        "exchanges": [{"said": said, "clip": _clip(story, said)} for said in story.told.exchanges],
        "exchanges_kept": story.exchanges_kept,
        "exchanges_read": EXCHANGES_READ,
        "ticket": ticket(story) if story.told.exchanges else "",
        "retries": story.retries,
        "events": story.told.events,
        "curl": curl_of(task),
        "fields": _fields(task) + _fields(task.video),
        "clip_fields": [{"clip": clip, "name": story.told.names[clip.number], "fields": _fields(clip)} for clip in story.told.clips],
    }


def _clip(story: Story, said: Exchange) -> str:
    return "-" if said.clip_number is None else story.told.names.get(said.clip_number, "-")


def _lists(task: Task) -> dict[str, str]:
    """The lists of tasks that share something with this one."""
    return {
        "key": tasks_address(f"key:{task.key_id}"),
        "team": tasks_address(f"team:{task.team_id}") if task.team_id else "",
        "model": tasks_address(f'model:"{task.model}"'),
        "error": tasks_address(f"error:{task.error_code}") if task.error_code else "",
    }


def _actions(request: HttpRequest, task: Task) -> dict[str, bool]:
    return {
        "cancel": task.is_active and may(request, "tasks.cancel_task"),
        "retry": task.is_retryable and not task.video.is_without_prompt and may(request, "tasks.retry_task"),
        "delete_media": not (task.is_active or task.video.media_deleted_at) and may(request, "tasks.delete_media"),
        "correct": bool(task.charged) and may(request, "keys.add_usagecost"),
        "costs": may(request, "keys.view_usagecost"),
        "clips": may(request, "videos.view_clip"),
        "events": may(request, "tasks.view_taskevent"),
    }


def _may_reconcile(request: HttpRequest, story: Story) -> bool:
    """Whether somebody may say what became of an order whose answer was lost (videos.lost_orders)."""
    lost = any(clip.state == ClipState.SUBMITTING and clip.makes == Clip.Makes.VIDEO for clip in story.told.clips)
    is_open = story.task.stage == Stage.RECONCILING or not story.task.is_active
    return lost and is_open and may(request, "videos.reconcile_clip")


def _player(task: Task, now: datetime) -> dict[str, Any]:
    """The place of the video at its size, from the start on; with its links where there is a file."""
    video = task.video
    width, height = (video.width, video.height) if video.width and video.height else map(int, video.resolution.split("x"))
    has_file = task.status == Status.COMPLETED and bool(video.file) and not video.is_without_result
    place: dict[str, Any] = {"width": width, "height": height, "has_file": has_file}
    if place["has_file"]:
        place |= {
            "video": media_path(task.pk, "video.mp4", now),
            "poster": media_path(task.pk, "thumbnail.jpg", now) if video.thumbnail else "",
        }
    return place


def _life(story: Story, now: datetime) -> list[dict[str, Any]]:
    """Each step with the place of its bar, in percent of the whole life."""
    began, end = story.task.created_at, story.task.ended_at or now
    whole = max((end - began).total_seconds(), 0.001)
    return [{"step": step, "seconds": step.seconds(now), **_bar(step, began, end, whole)} for step in story.life]


def _bar(step: LifePart, began: datetime, end: datetime, whole: float) -> dict[str, Any]:
    if step.began is None or step.state == State.UNKNOWN:
        return {"x": None}
    x = min(max((step.began - began).total_seconds() / whole * 100, 0), 100 - _LEAST_WIDTH)
    width = ((step.ended or end) - step.began).total_seconds() / whole * 100
    return {"x": f"{x:.2f}", "width": f"{min(max(width, _LEAST_WIDTH), 100 - x):.2f}"}


def _state(clip: Clip | None) -> str:
    if clip and clip.state == ClipState.FAILED and clip.called_off_at and not clip.billed:
        return "called off"
    return "not begun" if clip is None else _WORDS_OF_STATE[ClipState(clip.state)]


def _fields(row: Model) -> list[tuple[str, str]]:
    """A row as the database has it, for developers, but for what opens a file to its reader, and what stands elsewhere at length."""
    hidden = {"download_url", "plan", "prompt", "error"}
    return [(field.name, str(field.value_from_object(row))[:TEXT_MAX]) for field in row._meta.concrete_fields if field.name not in hidden]
