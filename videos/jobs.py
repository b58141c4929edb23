"""Celery's entrances to the engine. Messages are hints: losing or doubling one changes nothing."""

from uuid import UUID

from celery import shared_task
from django.conf import settings

from videos import engine, sweeping


@shared_task(time_limit=settings.MEDIA_STEP_SECONDS)
def advance_generation(task_id: str, lane: str, claim: str | None = None) -> None:
    """Do the next step. The time limit kills a media worker's child; the provider's threads have none, but their calls do."""
    engine.advance(UUID(task_id), lane=lane, claim=UUID(claim) if claim else None)


@shared_task
def sweep() -> None:
    sweeping.remove_leftovers()
