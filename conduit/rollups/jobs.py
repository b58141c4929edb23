"""Celery's entrances: the tick that counts what is new, and upkeep."""

import time

import structlog
from celery import shared_task

from conduit import clock
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
    """Forget rows whose steps are too short for what is long ago."""
    now = clock.now()
    for rollup in registry.registered():
        for table in rollup.stepped:
            for step in Step:
                table._default_manager.filter(step=step, starts_at__lt=step.start(now - KEPT[step])).delete()
