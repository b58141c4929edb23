"""Removing the files that ended tasks no longer need: clips, and what killed or outrun steps left."""

from uuid import UUID

import structlog
from django.core.files.storage import default_storage

from conduit import clock
from videos.models import Video
from videos.sheet_models import Spritesheet
from videos.storage import STORAGE_ERRORS, files_in, folder

log = structlog.get_logger(__name__)

# Videos looked at in one sweep: it shares its worker with the assemblies.
SWEEP_LIMIT = 50


def remove_leftovers() -> None:
    """Keep only the delivered files of tasks that are over for good. What cannot be removed now is tried at the next sweep."""
    for video in Video.objects.unswept(clock.now())[:SWEEP_LIMIT]:
        try:
            _sweep(video)
        except STORAGE_ERRORS as error:
            log.warning("leftovers stay for now", task_id=str(video.pk), error=str(error))


def remove_leftovers_of(task_id: UUID) -> None:
    """The same of one video, as far as nobody needs them any more.

    Raises:
        STORAGE_ERRORS: the next sweep tries again.
    """
    for video in Video.objects.unswept(clock.now()).filter(pk=task_id):
        _sweep(video)


def _sweep(video: Video) -> None:
    place = folder(video.pk)
    there = files_in(place)
    # Only now, as a sheet may have been asked for, and stored, since the video was looked up.
    sheet = Spritesheet.objects.filter(pk=video.pk).first()
    if sheet and sheet.due_at:
        return
    for name in there:
        if name not in (video.file, video.thumbnail, sheet.file if sheet else ""):
            default_storage.delete(name)
    if not video.file:
        default_storage.delete(place)  # the empty folder of a task that delivered nothing
    Video.objects.filter(pk=video.pk).update(swept_at=clock.now())
