"""Tasks as rows of the console's lists: plain values, ready for a template and for JSON."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from conduit import clock
from conduit.api.formats import money, rfc3339
from conduit.console.tasks.addresses import task_address
from conduit.console.tasks.words import words
from tasks import kinds, progress
from tasks.models import TAIL_CHARACTERS, Status
from videos.links import media_path
from videos.overview import overview


def rows(ids: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
    """What a list shows of each of these tasks, in one query. Those that are not there are left out.

    Amounts are USD as strings, moments are RFC 3339 strings in UTC, `words` says what the task does or waits for, and `shown` is
    the status by which it is coloured: `waits` for one under way that something holds up. No storage is asked for a poster.
    """
    now = clock.now()
    return {task.pk: row(task, now) for task in overview(ids)} if ids else {}


def row(task: Any, now: datetime) -> dict[str, Any]:
    """One task, as `videos.overview` gives it."""
    reading = progress.read(task, now)
    waiting_for = kinds.waiting_for(task.kind, task.stage, task.waits_for) if task.is_active else None
    video = task.video
    return {
        "id": str(task.pk),
        "tail": str(task.pk)[-TAIL_CHARACTERS:],
        "address": task_address(task.pk),
        "prompt": video.title,
        "key": {"id": task.key_id, "name": task.key.name},
        "team": {"id": task.team_id, "name": task.team.name if task.team else None} if task.team_id else None,
        "model": task.model,
        "seconds": video.duration,
        "size": video.resolution,
        "status": task.status,
        "shown": "waits" if waiting_for else task.status,
        "stage": task.stage,
        "stage_since": rfc3339(task.stage_since),
        "waiting_for": waiting_for,
        "queue_position": task.queue_position,
        "words": words(task, now),
        "progress": reading.progress,
        "eta_seconds": reading.eta_seconds,
        "error": task.error or None,
        "error_code": task.error_code or None,
        "price": money(task.price),
        "charged": money(task.charged),
        "created": rfc3339(task.created_at),
        "ended": rfc3339(task.ended_at),
        "poster": _poster(task, now),
    }


def _poster(task: Any, now: datetime) -> str | None:
    if task.status != Status.COMPLETED or not task.video.thumbnail:
        return None
    return media_path(task.pk, "thumbnail.jpg", now)
