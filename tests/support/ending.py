"""Tasks that have ended, without the engine's way there."""

from uuid import UUID

from django.db import transaction

from conduit import clock
from tasks import lifecycle
from tasks.models import Status, Task
from videos.models import Video


def end(task_id: str | UUID, status: str) -> Task:
    """Take a task that was just created to that last status, as the engine or its owner would."""
    pk = UUID(str(task_id))
    match status:
        case Status.COMPLETED:
            lifecycle.move(pk, Status.PROCESSING, stage="generating", started_at=clock.now())
            with transaction.atomic():  # readers hear of both at once
                assert lifecycle.move(pk, Status.COMPLETED, stage="completed", progress=100)
                Video.objects.filter(pk=pk).update(
                    file=f"results/{pk}/video-0123456789ab",
                    thumbnail=f"results/{pk}/thumbnail-0123456789ab",
                    size_bytes=4321,
                    thumbnail_bytes=123,
                    width=1280,
                    height=720,
                    fps=25.0,
                    seconds=6.0,
                )
        case Status.FAILED:
            assert lifecycle.move(
                pk, Status.FAILED, stage="failed", error="The video provider could not make it.", error_code="provider_error"
            )
        case _:
            assert lifecycle.move(pk, Status.CANCELLED, stage="cancelled")
    return Task.objects.get(pk=pk)
