"""A video task as the API shows it, and what it costs when it is cancelled."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings

from conduit import clock
from conduit.api.formats import money, rfc3339
from conduit.api.idempotency import answer_of
from keys.models import UsageCost
from tasks.models import Status, Task
from tasks.presentation import location
from tasks.presentation import show as show_task
from videos.catalogue import rounded
from videos.exchange_models import Exchange
from videos.life import LifePart
from videos.links import expires_at, media_url
from videos.models import Clip, Video
from videos.planning import Plan
from videos.story import story_of

KIND = "video_generation"


# The columns of a video that `show` reads.
SHOWN = (
    "task_id",
    *("prompt", "duration", "resolution", "aspect_ratio", "upstream", "media_deleted_at", "result_ended_at", "prompt_ended_at"),
    *("seconds", "width", "height", "fps", "size_bytes"),
    *("source_width", "source_height", "source_fps", "source_clips", "speed"),
)


def show(task: Task, now: datetime) -> dict[str, Any]:
    """The public fields that only a video has. Of the clock it reads the end of the links alone."""
    video = task.video
    return {
        "prompt": None if video.is_without_prompt else video.prompt,
        "duration": video.duration,
        "resolution": video.resolution,
        "aspect_ratio": video.aspect_ratio,
        "result": _result(video, now) if task.status == Status.COMPLETED and not video.is_without_result else None,
    }


def show_whole(task: Task, now: datetime) -> dict[str, Any]:
    """The contract's task object, of a video: what tasks.presentation.show gives, without that it asks the task's kind."""
    return show_task(task, now, show(task, now))


def accepted(task: Task) -> dict[str, Any]:
    """What a consumer's call that made a video's task is answered, as it is kept."""
    return answer_of(202, show_whole(task, clock.now()), location(task))


def _result(video: Video, now: datetime) -> dict[str, Any]:
    return {
        "video_url": media_url(video.pk, "video.mp4", now),
        "thumbnail_url": media_url(video.pk, "thumbnail.jpg", now),
        "duration": video.seconds,
        "width": video.width,
        "height": video.height,
        "fps": video.fps,
        "size_bytes": video.size_bytes,
        "content_type": "video/mp4",
        "expires_at": rfc3339(expires_at(now)),
        "source": _source(video),
    }


def _source(video: Video) -> dict[str, Any]:
    """What was made natively, so that nobody takes an upscale for more."""
    if video.source_clips is None:  # of the time when a video was delivered as its one clip came
        return {"model": video.upstream, "width": video.width, "height": video.height, "fps": video.fps, "clips": 1, "speed": 1.0}
    return {
        "model": video.upstream,
        "width": video.source_width,
        "height": video.source_height,
        "fps": video.source_fps,
        "clips": video.source_clips,
        "speed": video.speed,
    }


def show_to_operators(task: Task) -> dict[str, Any]:
    """What MiniMax was asked for, and by which ids it knows it. Needs RELATED_FOR_OPERATORS prefetched."""
    clips = sorted(task.video.clips.all(), key=lambda clip: clip.number)
    return {"prompt_optimizer": task.video.prompt_optimizer, "clips": [_show_clip(clip) for clip in clips]}


def details_for_operators(task: Task) -> dict[str, Any]:
    """What became of it: what was said to MiniMax, newest first, its life, its plan, and its money with what does not add up."""
    story = story_of(task.pk)
    if story is None:  # it is gone meanwhile
        return {}
    return {
        "exchanges": [_show_exchange(exchange) for exchange in story.told.exchanges[:EXCHANGES_SHOWN]],
        "life": [_show_step(step) for step in story.life],
        "plan": _show_plan(story.plan),
        "ledger": [_show_cost(row) for row in story.money.rows],
        "ledger_problems": list(story.money.problems),
        "billed": money(story.money.billed),
        "margin": money(story.money.margin),
        "retries": [str(again.pk) for again in story.retries],
    }


def _show_step(step: LifePart) -> dict[str, Any]:
    """`state` is done, running, stopped (the task ended within it), moment, or unknown (when it was is not kept)."""
    return {
        "name": step.name,
        "state": str(step.state),
        "began_at": rfc3339(step.began),
        "ended_at": rfc3339(step.ended),
        "words": step.words or None,
    }


def _show_plan(plan: Plan) -> dict[str, Any]:
    clips = [
        {
            "makes": clip.makes,
            "model": clip.upstream,
            "duration": clip.seconds,
            "resolution": clip.resolution or None,
            "cost": money(clip.cost),
        }
        for clip in plan.clips
    ]
    return {
        "clips": clips,
        "width": plan.width,
        "height": plan.height,
        "fps": plan.fps,
        "then": list(plan.treatment),
        "cost": money(plan.cost),
    }


def _show_cost(row: UsageCost) -> dict[str, Any]:
    return {
        "entry": row.entry,
        "amount": money(row.amount),
        "currency": row.currency,
        "who": row.who or None,
        "why": row.why or None,
        "created_at": rfc3339(row.created_at),
    }


# Of one task, the newest.
EXCHANGES_SHOWN = 50


RELATED_FOR_OPERATORS = ("video__clips__account",)


def _show_clip(clip: Clip) -> dict[str, Any]:
    return {
        "number": clip.number,
        "makes": clip.makes,
        "model": clip.upstream,
        "state": clip.state,
        "creates": clip.creates,
        "account": clip.account.name if clip.account else None,
        "provider_task_id": clip.provider_task_id or None,
        "file_id": clip.file_id or None,
        "billed": money(clip.billed),
        "submitted_at": rfc3339(clip.submitted_at),
        "made_at": rfc3339(clip.made_at),
        "fetched_at": rfc3339(clip.fetched_at),
        "ready_at": rfc3339(clip.ready_at),
    }


def _show_exchange(exchange: Exchange) -> dict[str, Any]:
    """`count` queries that were answered alike, from the first to the last; of anything else there is one."""
    return {
        "clip": exchange.clip_number,
        "call": exchange.call,
        "method": exchange.method,
        "path": exchange.path,
        "http": exchange.http,
        "code": exchange.code,
        "status": exchange.status or None,
        "message": exchange.message or None,
        "is_error": exchange.is_error,
        "trace_id": exchange.trace_id or None,
        "milliseconds": exchange.milliseconds,
        "count": exchange.count,
        "first_at": rfc3339(exchange.first_at),
        "last_at": rfc3339(exchange.last_at),
        "request": exchange.request or None,
        "answer": exchange.answer or None,
    }


def owed_when_cancelled(task: Task) -> Decimal:
    """What a cancelled task costs, as CANCEL_CHARGES says: nothing, its price, or the share of its price that was sent to MiniMax."""
    return owed_of_many([task])[task.pk]


def owed_of_many(tasks: Sequence[Task]) -> dict[UUID, Decimal]:
    """The same of each of these. `tasks` come with their videos."""
    match settings.CANCEL_CHARGES:
        case "nothing":
            return {task.pk: Decimal(0) for task in tasks}
        case "all":
            return {task.pk: task.price for task in tasks}
    sent = Clip.objects.sent_seconds([task.pk for task in tasks])
    return {task.pk: share_of_price(task, sent.get(task.pk, 0)) for task in tasks}


def share_of_price(task: Task, seconds: int) -> Decimal:
    """USD of a task's price for so many of its planned seconds."""
    return rounded(task.price * _share(seconds, task.video))


def _share(sent_seconds: int, video: Video) -> Decimal:
    """The share of the planned seconds that were sent, at most 1: clips beyond the plan cost the customer nothing more."""
    return min(Decimal(1), Decimal(sent_seconds) / Plan.from_json(video.plan).seconds) if sent_seconds else Decimal(0)
