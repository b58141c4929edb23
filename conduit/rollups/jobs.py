"""Celery's entrances: the tick that counts what is new, and upkeep."""

import time

import structlog
from celery import shared_task

from conduit import clock
from conduit.rollups import registry
from conduit.rollups.steps import KEPT, Step

log = structlog.get_logger(__name__)

# What one tick may take in all, in seconds: the process that counts also hands out what is due.
SECONDS_MAX = 0.4


@shared_task
def roll_up() -> None:
    """Count what is new since the last tick; what is left after a while is for the next one. The last is first the next time."""
    ends = time.monotonic() + SECONDS_MAX
    left = [rollup for rollup in registry.registered() if rollup.roll_up]
    while left and time.monotonic() < ends:
        rollup = left.pop(0)
        try:
            if rollup.roll_up and rollup.roll_up():
                left.append(rollup)
        except Exception:
            log.exception("not rolled up", rollup=rollup.name)


@shared_task
def forget_old_roll_ups() -> None:
    """Forget rows whose steps are too short for what is long ago."""
    now = clock.now()
    for rollup in registry.registered():
        for table in rollup.stepped:
            for step in Step:
                table._default_manager.filter(step=step, starts_at__lt=step.start(now - KEPT[step])).delete()
