"""Celery's entrances: the tick that hands out due rows, and upkeep."""

from celery import shared_task

from conduit import clock
from tasks import dispatch, forgetting, leases, paused, runs

# What one tick hands out at most: a second's worth of work for many workers; the rest is due a second later.
TICK_LIMIT = 200


@shared_task
def tick() -> None:
    """Claim what is due and hint its workers."""
    for claim in leases.claim_due(clock.now(), limit=TICK_LIMIT):
        if not dispatch.hint(claim.task_id, claim.kind, claim.lane, claim.token):
            return  # the broker is away: the claims lapse


@shared_task
def go_on_after_pauses() -> None:
    """Make tasks due that waited for a pause, apart from the tick: no trouble with pauses may keep work from being handed out."""
    paused.go_on(clock.now())


@shared_task
def forget_old_events() -> None:
    """Forget events that are older than what clients may ask for."""
    forgetting.forget_old_events(clock.now())


@shared_task
def hint_due_runs() -> None:
    """Have what is done to many tasks at once gone on with."""
    runs.hint_due(clock.now())


@shared_task
def advance_run(run_id: int) -> None:
    """Do a few seconds' work of a run."""
    runs.advance(run_id)


@shared_task
def forget_old_runs() -> None:
    """Forget runs that ended longer ago than they are kept."""
    runs.forget_old(clock.now())
