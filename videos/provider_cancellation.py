"""Telling MiniMax that nobody wants a job any more: one that still queues there is then free."""

import time
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings

from conduit import clock
from tasks.insisting import AWAY, insist
from videos import exchanges, late_money
from videos.accounts.calling import heard, provider_for
from videos.engine.answers import billed_for
from videos.minimax.errors import MiniMaxError, Outcome
from videos.minimax.exchanges import Exchange, about, listening
from videos.models import Clip, ClipState

log = structlog.get_logger(__name__)

# After that long a job that queued has begun, and cannot be cancelled.
WORTH_TRYING = timedelta(hours=1)


def cancel_jobs(task_id: UUID) -> None:
    """Have the jobs of an ended task cancelled at MiniMax. What could not be asked now is asked again by the next sweep."""
    for clip in Clip.objects.to_cancel_at_provider().filter(video_id=task_id).select_related("account"):
        with listening() as said, about(clip.upstream):
            try:
                with heard(clip):
                    cancelled = provider_for(clip).cancel(clip.provider_task_id)
            except MiniMaxError as error:
                lasting = error.outcome is Outcome.FINAL or not clip.submitted_at or clock.now() - clip.submitted_at > WORTH_TRYING
                if not lasting:
                    with suppress(*AWAY):
                        exchanges.record(clip.video_id, clip.number, said)
                    return
                cancelled = False
        _note(clip, said, cancelled=cancelled)
        log.info("job called off", task_id=str(task_id), cancelled=cancelled)


def _note(clip: Clip, said: list[Exchange], *, cancelled: bool) -> None:
    """Whether the job is billed is known here alone: it is written even when the database goes away meanwhile."""
    told: dict[str, Any] = {"called_off_at": clock.now()}
    if cancelled:
        told |= {"state": ClipState.FAILED, "billed": billed_for(clip) - clip.cost}
    until = time.monotonic() + settings.LEASE_SECONDS

    def write() -> None:
        Clip.objects.filter(pk=clip.pk).update(**told)
        late_money.settle_if_known(clip.video_id)
        exchanges.record(clip.video_id, clip.number, said)

    insist(write, until=lambda: until)
