"""Deleting what a consumer sent and got of a task that ended: row and money stay.

Everything that the database holds of it goes in one transaction, from which on every link is answered 410. The files go a moment later
by a hint, or with the sweep that finds every task whose files are more than it needs; clips with which a retry still works, when that
has ended.
"""

from django.db import transaction

from conduit import clock
from conduit.api import idempotency
from conduit.api.errors import ApiError, Conflict
from tasks import dispatch
from tasks.lifecycle import ENDED
from tasks.models import Lane, Task
from videos.exchange_models import Exchange
from videos.models import Video
from videos.sheet_models import Spritesheet


class MediaDeleted(ApiError):
    """A link led to what its owner has deleted."""

    status, type, code = 410, "not_found_error", "media_deleted"

    def __init__(self) -> None:
        super().__init__("This video was deleted.")


def delete_media(task: Task) -> bool:
    """Remove video, pictures, clips, prompt and metadata of a task; again is fine. Whether it was this call that did it.

    Raises:
        Conflict: it is under way.
    """
    now = clock.now()
    with transaction.atomic():
        # First, as a call that is sent again takes its own answer first of all.
        idempotency.forget_in_answers(about=task.pk, instead={"prompt": None, "metadata": {}, "result": None})
        if not Task.objects.filter(pk=task.pk, status__in=ENDED).select_for_update(no_key=True).exists():
            raise Conflict("This task is under way: cancel it first, or wait until it has ended.", code="task_under_way")
        gone = {"prompt": "", "file": "", "thumbnail": "", "swept_at": None, "media_deleted_at": now}
        if not Video.objects.filter(pk=task.pk, media_deleted_at=None).update(**gone):
            return False
        Spritesheet.objects.filter(pk=task.pk).delete()
        Task.objects.filter(pk=task.pk).update(metadata={}, results_end_at=None, prompts_end_at=None, updated_at=now)
        # MiniMax may have repeated in them what it was sent.
        Exchange.objects.filter(video=task.pk).update(request="", answer="", message="")
        transaction.on_commit(lambda: dispatch.hint_upkeep("videos.jobs.sweep_video", Lane.MEDIA, task.pk), robust=True)
    return True
