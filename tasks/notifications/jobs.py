"""Celery's entrances: upkeep."""

from celery import shared_task

from conduit import clock
from tasks.notifications import retention


@shared_task
def forget_old() -> None:
    """Forget what was told longer ago than it is kept."""
    retention.forget_old(clock.now())
