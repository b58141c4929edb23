"""What is done again and again, and how often."""

from typing import Any

from celery.schedules import schedule

from conduit import clock
from conduit.messages import once_in


def _every(seconds: float, job: str, **options: str) -> dict[str, Any]:
    """By a clock that nobody sets: set back a minute, beat would be silent for one. Jobs that piled up are worth one run."""
    headers = {"headers": once_in(seconds / 2)}
    return {"task": job, "schedule": schedule(seconds, nowfun=clock.steady), "options": headers | options}


SCHEDULE = {
    # These have a queue and a process of their own, so that no work at hand can keep them waiting.
    "let go on what is paused no more": _every(1, "tasks.jobs.go_on_after_pauses", queue="control"),
    "end what is past its deadline": _every(1, "tasks.jobs.end_at_deadlines", queue="control"),
    "count what is new": _every(1, "conduit.rollups.jobs.roll_up", queue="control"),
    "go on with runs": _every(1, "tasks.jobs.hint_due_runs", queue="control"),
    "follow jobs that nobody waits for": _every(10, "videos.jobs.follow_jobs"),
    "sweep what was left over": _every(60, "videos.jobs.sweep", queue="media"),
    # With the media workers, which reach the storage: one that is silent must keep no upkeep of each second waiting.
    "find files that no row names": _every(60, "videos.jobs.walk_through_storage", queue="media"),
    "forget answers that expired": _every(60, "conduit.api.jobs.forget_expired_answers"),
    "forget old events": _every(600, "tasks.jobs.forget_old_events"),
    "forget old webhooks": _every(600, "tasks.notifications.jobs.forget_old"),
    "forget old runs": _every(600, "tasks.jobs.forget_old_runs"),
    "delete results and prompts that were kept long enough": _every(60, "videos.jobs.forget_old_media"),
    "forget old exchanges with MiniMax": _every(600, "videos.jobs.forget_old_exchanges"),
    "forget creates that nobody repeats": _every(600, "videos.jobs.forget_old_repeats"),
    "forget old roll-ups": _every(600, "conduit.rollups.jobs.forget_old_roll_ups"),
    "forget sessions and counts of log-ins that are over": _every(600, "conduit.console.security.jobs.forget_what_is_over"),
    "forget client tokens that ended": _every(600, "keys.jobs.forget_client_tokens"),
    "forget old audit rows": _every(600, "keys.jobs.forget_old_audit"),
    "note when keys were last used": _every(60, "keys.jobs.note_last_uses"),
}
