"""A video task as the API shows it, and how it registers with `tasks`."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings

from tasks.kinds import Kind
from tasks.models import Status, Task
from tasks.presentation import rfc3339
from videos.hub import hub_event
from videos.links import expires_at, media_url
from videos.models import Clip, Video

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
        # Delivered as MiniMax made it: one clip, at its own size, rate and speed.
        "source": {"model": video.upstream, "width": video.width, "height": video.height, "fps": video.fps, "clips": 1, "speed": 1.0},
    }


def owed_when_cancelled(task: Task) -> Decimal:
    """What a cancelled task costs, as CANCEL_CHARGES says: nothing, its price, or its price once its clip was sent.

    A clip counts as sent from the moment its intent is stored: MiniMax may have accepted it then, bills it and cannot cancel.
    """
    match settings.CANCEL_CHARGES:
        case "nothing":
            return Decimal(0)
        case "all":
            return task.price
    return task.price if Clip.objects.filter(video_id=task.pk, sent_at__isnull=False).exists() else Decimal(0)


VIDEO_GENERATION = Kind(
    name=KIND,
    job="videos.jobs.advance_generation",
    related=("video",),
    show=show,
    owed_when_cancelled=owed_when_cancelled,
    hub_event=hub_event,
)
