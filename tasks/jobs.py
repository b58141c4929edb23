"""Celery's entrance: the tick that hands out due rows."""

from celery import shared_task

from conduit import clock
from tasks import dispatch, forgetting, leases

# What one tick hands out at most: a second's worth of work for many workers; the rest is due a second later.
TICK_LIMIT = 200


@shared_task
def tick() -> None:
    """Claim what is due and hint its workers."""
    for claim in leases.claim_due(clock.now(), limit=TICK_LIMIT):
        if not dispatch.hint(claim.task_id, claim.kind, claim.lane, claim.token):
            return  # the broker is away: the claims lapse


@shared_task
def forget_old_events() -> None:
    """Forget events that are older than what clients may ask for."""
    forgetting.forget_old_events(clock.now())
