"""Celery's entrances: hints that something is due, and upkeep."""

from celery import current_app, shared_task
from django.conf import settings

from conduit import clock
from tasks import deadlines, kinds, leases, paused, retention, runs, waking


@shared_task(time_limit=settings.MEDIA_STEP_SECONDS)
def do_next(lane: str) -> None:
    """Do the step of the lane whose turn it is, if one is due; the time limit is that of the longest step."""
    if waking.wake(lane):
        return
    for claim in leases.claim_due(clock.now() + leases.ABOUT_NOW, lane=lane, limit=1):
        current_app.tasks[kinds.job_of(claim.kind)](*claim.arguments)


@shared_task
def end_at_deadlines() -> None:
    """Cancel what is not done by its deadline."""
    deadlines.end_due(clock.now())


@shared_task
def go_on_after_pauses() -> None:
    """Make tasks due that waited for a pause."""
    paused.go_on(clock.now())


@shared_task
def forget_old_events() -> None:
    """Forget events that are older than what clients may ask for."""
    retention.forget_old_events(clock.now())


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
