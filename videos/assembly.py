"""From the stored clip to the files that are delivered."""

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast
from uuid import UUID

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage

from videos.media import MediaError, VideoFacts, finish
from videos.storage import folder

__all__ = ["Delivered", "MediaError", "deliver"]


@dataclass(frozen=True)
class Delivered:
    """The names of the stored files, and what the video really is."""

    file: str
    thumbnail: str
    facts: VideoFacts


def deliver(*, task_id: UUID, clip_file: str, token: UUID) -> Delivered:
    """Finish the clip on local disk and store the result. Names carry the lease, so that no two runs write one file.

    Raises:
        MediaError: the clip is not a playable video.
        STORAGE_ERRORS: disk or storage could not take it, or does not hold the clip any more.
    """
    _remove_abandoned_scratch(task_id)
    scratch = settings.WORK_DIR / f"{task_id}-{token.hex[:12]}"
    scratch.mkdir(parents=True)
    try:
        video_path, thumbnail_path = scratch / "video.mp4", scratch / "thumbnail.jpg"
        with default_storage.open(clip_file) as source:
            facts = finish(cast(BinaryIO, source), video_path, thumbnail_path)
        stem = f"{folder(task_id)}/{{}}-{token.hex[:12]}"
        return Delivered(
            _store(video_path, stem.format("video") + ".mp4"), _store(thumbnail_path, stem.format("thumbnail") + ".jpg"), facts
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _store(path: Path, name: str) -> str:
    with path.open("rb") as file:
        return default_storage.save(name, File(file, name=name))


def _remove_abandoned_scratch(task_id: UUID) -> None:
    """What killed runs left on this machine: of this task, whose lease we hold, and whatever is too old to be at work."""
    if not settings.WORK_DIR.exists():
        return
    oldest = time.time() - 2 * settings.MEDIA_STEP_SECONDS
    for entry in settings.WORK_DIR.iterdir():
        with suppress(FileNotFoundError):  # another worker was quicker
            if entry.name.startswith(str(task_id)) or entry.stat().st_mtime < oldest:
                shutil.rmtree(entry, ignore_errors=True)
