"""Clips of a video at some state, without the engine's way there."""

from dataclasses import asdict
from uuid import UUID

from videos.models import Clip, Video
from videos.planning import Plan


def planned_clip(task_id: UUID | str, number: int = 0, **fields: object) -> Clip:
    """The row of a task's clip, as its plan says, with these fields."""
    planned = Plan.from_json(Video.objects.get(pk=UUID(str(task_id))).plan).clips[number]
    return Clip.objects.create(video_id=task_id, number=number, **asdict(planned) | fields)
