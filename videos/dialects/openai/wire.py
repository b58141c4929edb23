"""A task as OpenAI's clients read a video."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from conduit import clock
from conduit.api.idempotency import answer_of
from tasks import progress
from tasks.models import Status, Task

# The words that its clients know: a cancelled video is one that failed.
STATUSES: Mapping[str, str] = MappingProxyType(
    {
        Status.QUEUED: "queued",
        Status.PROCESSING: "in_progress",
        Status.COMPLETED: "completed",
        Status.FAILED: "failed",
        Status.CANCELLED: "failed",
    }
)
_CANCELLED, _TOO_LATE = "The video was cancelled.", "The video was not done by its deadline, and was cancelled."


def show(task: Task, now: datetime) -> dict[str, Any]:
    """The video object. Moments are Unix seconds, and `seconds` is a string."""
    video = task.video
    return {
        "id": str(task.pk),
        "object": "video",
        "model": task.model,
        "status": STATUSES[task.status],
        "progress": progress.read(task, now).progress,
        "created_at": int(task.created_at.timestamp()),
        "completed_at": int(task.ended_at.timestamp()) if task.status == Status.COMPLETED and task.ended_at else None,
        "expires_at": int(task.expires_at.timestamp()) if task.expires_at else None,
        "seconds": str(video.duration),
        "size": video.resolution,
        "prompt": None if video.is_without_prompt else video.prompt,
        "remixed_from_video_id": str(video.remix_of_id) if video.remix_of_id else None,
        "error": _error(task),
    }


def accepted(task: Task) -> dict[str, Any]:
    """What a call that made a video is answered, as it is kept."""
    return answer_of(200, show(task, clock.now()), {})


def _error(task: Task) -> dict[str, str] | None:
    if STATUSES[task.status] != "failed":
        return None
    return {"code": task.error_code or task.status, "message": task.error or (_TOO_LATE if task.error_code else _CANCELLED)}
