"""Hints to the workers. A lost one costs a moment: the tick finds every row that is due."""

from uuid import UUID

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from conduit.messages import good_for
from conduit.streams.breaker import Away, breaker_of
from tasks import hints, kinds
from tasks.hints import Hint
from tasks.leases import CLAIM_SECONDS
from tasks.models import Lane

log = structlog.get_logger(__name__)


def hint(task_id: UUID, kind: str, lane: str, claim: UUID | None = None) -> bool:
    """Tell the lane's workers that a step is due; False when the broker is away.

    A hint that nobody took is worth nothing once its claim has lapsed: the next tick gives another.
    """
    return _send(kinds.job_of(kind), task_id, lane, str(task_id), lane, str(claim) if claim else None)


def hint_cancelled_on_commit(task_id: UUID, kind: str) -> None:
    """Have whoever works on the task elsewhere told that it was cancelled."""
    transaction.on_commit(lambda: _send(kinds.job_after_cancel(kind), task_id, Lane.PROVIDER, str(task_id)), robust=True)


def hint_run(run_id: int) -> bool:
    """Have a run taken up by whoever calls the provider; False when the broker is away."""
    return _send("tasks.jobs.advance_run", run_id, Lane.PROVIDER, run_id)


def _send(job: str, subject: UUID | int, lane: str, *args: str | int | None) -> bool:
    """A hung broker costs one of those who hint its time limit, and the others nothing."""
    try:
        with breaker_of(current_app.conf.broker_url).asking("hints are not sent", errors=(OperationalError,)):
            current_app.send_task(job, args=list(args), queue=lane, headers=good_for(CLAIM_SECONDS))
    except Away:
        log.info("hint not sent: the broker is away", task_id=str(subject))
        return False
    return True


def hint_soon(task_id: UUID, kind: str, lane: str) -> None:
    """The same with others, a moment later; for who was asked for something and has no time."""
    hints.sender.put(Hint(kinds.job_of(kind), str(lane), (str(task_id), str(lane), None), good_for(CLAIM_SECONDS)))


def hint_on_commit(task_id: UUID, kind: str, lane: str) -> None:
    transaction.on_commit(lambda: hint(task_id, kind, lane), robust=True)
