"""A video task as the API shows it, and how it registers with `tasks`."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Q, Sum

from tasks.kinds import Kind
from tasks.models import Status, Task
from tasks.presentation import rfc3339
from videos.catalogue import rounded
from videos.hub import hub_event
from videos.links import expires_at, media_url
from videos.models import ClipState, Video
from videos.planning import Plan
from videos.stages import WAITS

KIND = "video_generation"


def show(task: Task, now: datetime) -> dict[str, Any]:
    """The public fields that only a video has."""
    video = task.video
    return {
        "prompt": video.prompt,
        "duration": video.duration,
        "resolution": video.resolution,
        "aspect_ratio": video.aspect_ratio,
        "result": _result(video, now) if task.status == Status.COMPLETED else None,
    }


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


def owed_when_cancelled(task: Task) -> Decimal:
    """What a cancelled task costs, as CANCEL_CHARGES says: nothing, its price, or the share of its price that was sent to MiniMax."""
    match settings.CANCEL_CHARGES:
        case "nothing":
            return Decimal(0)
        case "all":
            return task.price
    return rounded(task.price * _sent_share(task.video))


def _sent_share(video: Video) -> Decimal:
    """The share of the planned seconds that were sent, at most 1: clips beyond the plan cost the customer nothing more.

    A clip counts from the moment its intent is stored: MiniMax may have accepted it then, bills it and cannot cancel. One
    that was taken over from a failed task, which was not charged for it, counts too.
    """
    sent = video.clips.filter(Q(sent_at__isnull=False) | Q(taken_from__isnull=False) | Q(state=ClipState.READY))
    seconds = sent.aggregate(seconds=Sum("seconds"))["seconds"] or 0
    return min(Decimal(1), Decimal(seconds) / Plan.from_json(video.plan).seconds)


VIDEO_GENERATION = Kind(
    name=KIND,
    job="videos.jobs.advance_generation",
    job_after_cancel="videos.jobs.call_off",
    related=("video",),
    show=show,
    owed_when_cancelled=owed_when_cancelled,
    hub_event=hub_event,
    waits=WAITS,
)
