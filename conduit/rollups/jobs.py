"""Celery's entrances: the tick that counts what is new, and upkeep."""

import time
from datetime import timedelta

import structlog
from celery import shared_task
from django.conf import settings

from conduit import batches, clock
from conduit.rollups import registry
from conduit.rollups.conditions import report
from conduit.rollups.registry import RollUp
from conduit.rollups.steps import KEPT, Step

log = structlog.get_logger(__name__)

# When there is much to count, a tick goes on for so long (seconds): the process that counts has other work too.
SECONDS_MAX = 0.4


@shared_task
def roll_up() -> None:
    """Count what is new since the last tick: a batch of each kind, then further ones in turn while there is time."""
    ends = time.monotonic() + SECONDS_MAX
    left = [rollup for rollup in registry.registered() if _counts(rollup)]
    while left and time.monotonic() < ends:
        left = [rollup for rollup in left if _counts(rollup)]


def _counts(rollup: RollUp) -> bool:
    """Count a batch; whether more is left."""
    if rollup.roll_up is None:
        return False
    try:
        more = rollup.roll_up()
    except Exception as error:
        log.exception("not rolled up", rollup=rollup.name)
        report(rollup.name, error)
        return False
    report(rollup.name, None)
    return more


@shared_task
def forget_old_roll_ups() -> None:
    """Forget rows whose steps are too short for what is long ago; those of days where DAYS_KEPT says so."""
    now = clock.now()
    for rollup in registry.registered():
        for table in rollup.stepped:
            for step in Step:
                batches.delete(table._default_manager.filter(step=step, starts_at__lt=step.start(now - KEPT[step])))
        if settings.DAYS_KEPT:
            for of_days in rollup.by_day:
                oldest = (now - timedelta(days=settings.DAYS_KEPT)).date()
                batches.delete(of_days._default_manager.filter(day__lt=oldest))
