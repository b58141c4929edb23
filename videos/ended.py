"""What the log tells of videos whose task has ended: where their time went, whose account made them, and how often MiniMax was called."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, Sum

from tasks.models import Task
from videos.exchange_models import Exchange
from videos.models import Clip, Video


def stories_of_ended(tasks: Sequence[Task]) -> Mapping[UUID, dict[str, Any]]:
    """Three queries, however many there are. Nothing of what was asked for is in it."""
    ids, ended = [task.pk for task in tasks], {task.pk: task.ended_at for task in tasks}
    clips: dict[UUID, list[Clip]] = defaultdict(list)
    for clip in Clip.objects.filter(video__in=ids).select_related("account").order_by("number"):
        clips[clip.video_id].append(clip)
    said = Exchange.objects.filter(video__in=ids).order_by().values_list("video_id")
    calls = {pk: counts for pk, *counts in said.annotate(calls=Sum("count"), errors=Count("pk", filter=Q(is_error=True)))}
    videos = Video.objects.filter(pk__in=ids).only("duration", "resolution", "upstream", "assembling_at", "assembled_at", "size_bytes")
    return {video.pk: _story(video, clips[video.pk], calls.get(video.pk, (0, 0)), ended[video.pk]) for video in videos}


def _story(video: Video, clips: Sequence[Clip], calls: Sequence[int], ended_at: datetime | None) -> dict[str, Any]:
    own = [clip for clip in clips if clip.taken_from_id is None]
    story = {
        "provider": "minimax",
        "upstream": video.upstream,
        "duration": video.duration,
        "resolution": video.resolution,
        "clips": len(clips),
        "taken_over": len(clips) - len(own),
        "accounts": ", ".join(sorted({clip.account.name for clip in clips if clip.account})),
        "jobs": " ".join(clip.provider_task_id for clip in clips if clip.provider_task_id),
        "calls": calls[0],
        "errors": calls[1],
        "billed": str(sum((clip.billed for clip in clips), Decimal(0))),
        "at_minimax_seconds": _seconds((clip.submitted_at, clip.made_at) for clip in own),
        "fetching_seconds": _seconds((clip.made_at, clip.fetched_at) for clip in own),
        "assembling_seconds": _seconds([(video.assembling_at, video.assembled_at)]),
        "storing_seconds": _seconds([(video.assembled_at, ended_at)]),
        "bytes": video.size_bytes,
    }
    return {name: value for name, value in story.items() if value not in (None, "")}


def _seconds(spans: Iterable[tuple[datetime | None, datetime | None]]) -> float | None:
    """All of them together; None when none is known."""
    known = [(until - since).total_seconds() for since, until in spans if since and until]
    return round(sum(known), 3) if known else None
