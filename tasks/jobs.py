"""Celery's entrances: the tick that hands out due rows, and the workers' signs of life."""

from celery import shared_task
from django.utils import timezone

from conduit import liveness
from tasks import dispatch, leases

# What one tick hands out at most: a second's worth of work for many workers; the rest is due a second later.
TICK_LIMIT = 200


@shared_task
def tick() -> None:
    """Claim what is due and hint its workers."""
    for claim in leases.claim_due(timezone.now(), limit=TICK_LIMIT):
        if not dispatch.hint(claim.task_id, claim.kind, claim.lane, claim.token):
            return  # the broker is away: the claims lapse


@shared_task
def sign_of_life(queue: str) -> None:
    """Being executed says it: a worker takes this queue's jobs."""
    liveness.heard(queue)
