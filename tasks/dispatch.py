"""Hints to the workers. A lost one costs a moment: workers look themselves for what is due (tasks.finding)."""

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

DO_NEXT = "tasks.jobs.do_next"


def hint(lane: str) -> bool:
    """Have a worker of the lane do the step whose turn it is; False when the broker is away.

    It names no task: one that comes later may be more urgent than the one that is hinted at.
    """
    return _send(DO_NEXT, Lane(lane).queue, str(lane))


def hint_cancelled_on_commit(task_id: UUID, kind: str) -> None:
    """Have the provider told that the task was cancelled."""
    transaction.on_commit(lambda: _send(kinds.job_after_cancel(kind), Lane.PROVIDER, str(task_id)), robust=True)


def hint_run(run_id: int) -> bool:
    """Have a run taken up by a worker of the provider's lane; False when the broker is away."""
    return _send("tasks.jobs.advance_run", Lane.PROVIDER, run_id)


def _send(job: str, queue: str, *args: str | int) -> bool:
    """A hung broker costs one caller its time limit, and the others nothing."""
    try:
        with breaker_of(current_app.conf.broker_url).asking("hints are not sent", errors=(OperationalError,)):
            current_app.send_task(job, args=list(args), queue=queue, headers=good_for(CLAIM_SECONDS))
    except Away:
        log.info("hint not sent: the broker is away", job=job, args=args)
        return False
    return True


def hint_soon(lane: str) -> None:
    """The same with others, a moment later; for a request, which has no time."""
    hints.sender.put(Hint(DO_NEXT, Lane(lane).queue, (str(lane),), good_for(CLAIM_SECONDS)))


def hint_on_commit(lane: str) -> None:
    transaction.on_commit(lambda: hint(lane), robust=True)


def hint_upkeep(job: str, lane: str, task_id: UUID | None = None) -> None:
    """Have what a sweep would find later done soon, for one task where one is named."""
    hints.sender.put(Hint(job, str(lane), (str(task_id),) if task_id else (), good_for(CLAIM_SECONDS)))
