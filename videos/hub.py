"""What clients of the hub are told of a video: names and objects of the contract's events."""

from collections.abc import Callable
from typing import Any

from conduit import clock
from conduit.api.formats import rfc3339
from tasks.notices import Notice

# Failures that asking again for the same would only repeat.
_FINAL_CODES = frozenset({"content_policy_violation", "invalid_request"})

Shown = dict[str, Any]


def hub_event(notice: Notice) -> tuple[str, Shown] | None:
    """The event's name and its only argument; None for what the hub has no event for (queued: the create has answered that)."""
    if notice.type not in _EVENTS or not notice.task:
        return None
    name, told = _EVENTS[notice.type]
    event = {"taskId": notice.task["task_id"], "status": notice.task["status"], **told(notice.task)}
    return name, event if notice.event_id is None else event | {"eventId": notice.event_id}


def _started(task: Shown) -> Shown:
    return {
        "progress": task["progress"],
        "model": task["model"],
        "startedAt": task["started_at"],
        "estimatedSeconds": task["eta_seconds"],
    }


def _progress(task: Shown) -> Shown:
    return {
        "progress": task["progress"],
        "stage": task["stage"],
        "message": task["stage"].replace("_", " ").capitalize(),
        "etaSeconds": task["eta_seconds"],
        "timestamp": rfc3339(clock.now()),
    }


def _completed(task: Shown) -> Shown:
    result = task["result"] or {}  # deleted since, when history is told again
    return {
        "progress": task["progress"],
        "videoUrl": result.get("video_url"),
        "thumbnailUrl": result.get("thumbnail_url"),
        "duration": result.get("duration"),
        "resolution": task["resolution"],
        "sizeBytes": result.get("size_bytes"),
        "cost": task["cost"],
        "completedAt": task["completed_at"],
    }


def _failed(task: Shown) -> Shown:
    return {
        "error": task["error"],
        "errorCode": task["error_code"],
        "retryable": task["error_code"] not in _FINAL_CODES,
        "failedAt": task["updated_at"],
    }


def _cancelled(task: Shown) -> Shown:
    return {"errorCode": task["error_code"], "cost": task["cost"], "cancelledAt": task["updated_at"]}


_EVENTS: dict[str, tuple[str, Callable[[Shown], Shown]]] = {
    "task.started": ("VideoGenerationStarted", _started),
    "task.progress": ("VideoGenerationProgress", _progress),
    "task.completed": ("VideoGenerationCompleted", _completed),
    "task.failed": ("VideoGenerationFailed", _failed),
    "task.cancelled": ("VideoGenerationCancelled", _cancelled),
}
