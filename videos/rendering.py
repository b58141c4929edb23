"""From the stored clips to the files that are delivered, on local disk and in a process that may be killed."""

import math
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage

from conduit import clock
from videos.media import child
from videos.media.facts import ClipFacts, Target, VideoFacts
from videos.storage import folder, forgotten_upon

# Looking into a clip takes a second or two. One that keeps its reader busy must not keep every other task waiting.
LOOK_SECONDS_MAX = 60.0
# Of a limit on the clock this is what the processors may work: a file that keeps them busy runs into it before the clock does,
# which ends the reader at nobody's fault. Half of the usual limit is three times what the most work was measured to take.
PROCESSOR_SHARE = 0.5


@dataclass(frozen=True)
class Rendered:
    """The names of the stored files, and what the video really is."""

    file: str
    thumbnail: str
    facts: VideoFacts
    made_at: datetime  # and began to be stored


def probe_clip(*, task_id: UUID, clip_file: str, token: UUID, wants_frame: bool) -> tuple[ClipFacts, str]:
    """What a stored clip really is, and the stored name of its last frame ("" unless that is wanted).

    Raises:
        MediaError: the clip is not a playable video.
        STORAGE_ERRORS: disk or storage could not take it, or does not hold the clip any more.
    """
    with _scratch(task_id, token) as scratch:
        frame = scratch / "last.png" if wants_frame else None
        clip = _fetched(clip_file, scratch / "clip.mp4")
        facts = child.probe(_limits(LOOK_SECONDS_MAX), clip, last_frame=frame)
        return facts, _store(frame, f"{folder(task_id)}/frame-{token.hex[:12]}.png") if frame else ""


def render_and_store(
    *, task_id: UUID, clip_files: Sequence[str], target: Target, token: UUID, on_progress: Callable[[float], None]
) -> Rendered:
    """Make the video out of its clips, and store it with its thumbnail. `on_progress` is told the share that is done.

    Names carry the lease, so that no two runs write one file. Raises what `probe_clip` raises.
    """
    with _scratch(task_id, token) as scratch:
        clips = [_fetched(name, scratch / f"clip-{number}.mp4") for number, name in enumerate(clip_files)]
        video, thumbnail = scratch / "video.mp4", scratch / "thumbnail.jpg"
        facts = child.assemble(_limits(), clips, target, video, thumbnail, on_progress=on_progress)
        made_at, place, run = clock.now(), folder(task_id), token.hex[:12]
        stored = _store(video, f"{place}/video-{run}.mp4")
        # A disk that is full must not be filled with a further copy at each try.
        with forgotten_upon(BaseException, stored):
            return Rendered(stored, _store(thumbnail, f"{place}/thumbnail-{run}.jpg"), facts, made_at)


def render_sheet(*, task_id: UUID, video_file: str, token: UUID) -> tuple[str, int]:
    """Make the sheet of a stored video's pictures, and store it: its name and its size in bytes. Raises what `probe_clip` raises."""
    with _scratch(task_id, token) as scratch:
        video, sheet = _fetched(video_file, scratch / "video.mp4"), scratch / "sheet.jpg"
        facts = child.draw_spritesheet(_limits(LOOK_SECONDS_MAX), video, sheet=sheet)
        return _store(sheet, f"{folder(task_id)}/spritesheet-{token.hex[:12]}.jpg"), facts.size_bytes


def remove_old_scratch() -> None:
    """Remove what killed runs left on this machine, once it is too old to be of a run that is at work."""
    _remove_scratch(of_task=None)


def _limits(seconds_max: float = math.inf) -> child.ChildLimits:
    """What one child may take: it ends before the worker's own limit would end everything."""
    seconds = min(settings.MEDIA_STEP_SECONDS * 0.9, seconds_max)
    return child.ChildLimits(seconds=seconds, cpu_seconds=math.ceil(seconds * PROCESSOR_SHARE), file_bytes=settings.MAX_CLIP_BYTES)


@contextmanager
def _scratch(task_id: UUID, token: UUID) -> Iterator[Path]:
    """A folder of this run's own on local disk, gone when the block ends; what killed runs left goes before it begins."""
    _remove_scratch(of_task=task_id)  # whose lease we hold
    scratch = settings.WORK_DIR / f"{task_id}-{token.hex[:12]}"
    settings.WORK_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch.mkdir(mode=0o700)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _fetched(name: str, path: Path) -> Path:
    with default_storage.open(name) as stored, path.open("wb") as file:
        shutil.copyfileobj(stored, file, 1024**2)
    return path


def _store(path: Path, name: str) -> str:
    with path.open("rb") as file, forgotten_upon(BaseException, name):
        return default_storage.save(name, File(file, name=name))


def _remove_scratch(*, of_task: UUID | None) -> None:
    """Remove the scratch folders of that task, and all that are too old to be at work."""
    if not settings.WORK_DIR.exists():
        return
    oldest = _now_by_its_file_system(settings.WORK_DIR) - 2 * settings.MEDIA_STEP_SECONDS
    for entry in settings.WORK_DIR.iterdir():
        with suppress(FileNotFoundError):  # another worker was quicker
            if entry.name.startswith(f"{of_task}-") or entry.stat().st_mtime < oldest:
                shutil.rmtree(entry, ignore_errors=True)


def _now_by_its_file_system(place: Path) -> float:
    """What a file's times there are compared with: they are set by that file system's clock, which need be nobody else's."""
    os.utime(place)  # needs no room on a disk that is full
    return place.stat().st_mtime
