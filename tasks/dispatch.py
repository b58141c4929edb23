"""Hints to the workers. A lost one costs a moment: the tick finds every row that is due."""

from uuid import UUID

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from tasks import kinds

log = structlog.get_logger(__name__)


def hint(task_id: UUID, kind: str, lane: str, claim: UUID | None = None) -> bool:
    """Tell the lane's workers that a step is due; False when the broker is away."""
    try:
        current_app.send_task(
            kinds.job_of(kind), args=[str(task_id), lane, claim and str(claim)], queue=lane, retry=False, ignore_result=True
        )
    except OperationalError as error:
        log.warning("hint not sent: the broker is away", task_id=str(task_id), error=str(error))
        return False
    return True


def hint_on_commit(task_id: UUID, kind: str, lane: str) -> None:
    transaction.on_commit(lambda: hint(task_id, kind, lane), robust=True)
