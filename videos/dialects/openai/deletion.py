"""What OpenAI's clients call deleting a video."""

from conduit import clock
from conduit.api.errors import Conflict
from tasks import lifecycle
from tasks.models import Task
from videos.deletion import delete_media
from videos.models import Video


def unlist(task: Task) -> None:
    """Cancel a video that is under way, and delete what an ended one holds; this wire shows it no more.

    A death in the middle leaves one that is cancelled, or empty, and still there: its client deletes it again.
    """
    if task.is_active:
        try:
            lifecycle.cancel(task)
        except Conflict:  # it ended meanwhile
            delete_media(task)
    else:
        delete_media(task)
    Video.objects.filter(pk=task.pk).update(unlisted_at=clock.now())
