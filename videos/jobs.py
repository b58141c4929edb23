"""Celery's entrances to the engine. Messages are hints: losing or doubling one changes nothing."""

from contextlib import suppress
from uuid import UUID

from celery import shared_task
from django.conf import settings

from conduit import clock
from conduit.messages import good_for
from tasks.models import Lane
from videos import cleanup, engine, exchanges, following, orphans, provider_cancellation, rendering, retention, sheets, storage_check
from videos.conditions import report_confinement
from videos.dialects.openai import repeats
from videos.models import Clip
from videos.storage import STORAGE_ERRORS

# Jobs that one sweep has called off: a second's work for the provider's threads.
CANCELLATIONS = 50
# Jobs of ended tasks that are asked for at once: each is due again after FOLLOW_SECONDS.
FOLLOWS = 50
# The next sweep calls off what is still to be called off then.
SWEEP_SECONDS = 60


@shared_task(time_limit=settings.MEDIA_STEP_SECONDS)
def advance_generation(task_id: str, lane: str, claim: str | None = None) -> None:
    """Do the next step. The time limit kills a media worker's child; the provider's threads have none, but their calls do."""
    if lane == Lane.MEDIA:
        report_confinement()
    engine.advance(UUID(task_id), lane=lane, claim=UUID(claim) if claim else None)


@shared_task
def call_off(task_id: str) -> None:
    """Ask MiniMax to cancel the jobs of a cancelled task."""
    provider_cancellation.cancel_jobs(UUID(task_id))


@shared_task
def follow_jobs() -> None:
    """Have MiniMax asked for jobs that outlived their tasks."""
    for clip_id in Clip.objects.to_follow(clock.now()).values_list("pk", flat=True)[:FOLLOWS]:
        follow.apply_async((clip_id,), queue=Lane.PROVIDER, headers=good_for(SWEEP_SECONDS))


@shared_task
def follow(clip_id: int) -> None:
    """Ask how one of them goes."""
    following.follow(clip_id)


@shared_task
def sweep() -> None:
    """What was left over by steps that were outrun or killed, and by hints that got lost."""
    for task_id in Clip.objects.to_cancel_at_provider().values_list("video_id", flat=True).distinct()[:CANCELLATIONS]:
        call_off.apply_async((str(task_id),), queue=Lane.PROVIDER, headers=good_for(SWEEP_SECONDS))
    sheets.hint_due()
    cleanup.remove_leftovers()
    rendering.remove_old_scratch()
    with suppress(*STORAGE_ERRORS):
        storage_check.remove_leftovers()
    report_confinement()


@shared_task
def walk_through_storage() -> None:
    """Do a piece of the walk that finds files which no row names."""
    with suppress(*STORAGE_ERRORS):
        orphans.go_on(clock.now())


@shared_task
def sweep_video(task_id: str) -> None:
    """Remove the files of a video that was deleted, without waiting for the next sweep."""
    with suppress(*STORAGE_ERRORS):
        cleanup.remove_leftovers_of(UUID(task_id))


@shared_task(time_limit=settings.MEDIA_STEP_SECONDS)
def make_spritesheet() -> None:
    """Make a sheet of pictures that is due, if there is one."""
    sheets.make_next()


@shared_task
def forget_old_exchanges() -> None:
    """Forget what was said to MiniMax longer ago than is kept."""
    exchanges.forget_old(clock.now())


@shared_task
def forget_old_repeats() -> None:
    """Forget the creates that no client of OpenAI's wire sends again any more."""
    repeats.forget_old()


@shared_task
def forget_old_media() -> None:
    """Delete results and prompts that have been kept long enough."""
    retention.forget_old(clock.now())
