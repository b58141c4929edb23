"""Jobs that outlived our patience: a task has ended, and MiniMax goes on with its job, or may have taken its order.

They are asked for at a slow pace until MiniMax says how each ended. What it bills is written down, and what it made is there for a
retry, which takes it over.
"""

import time
from datetime import timedelta

import structlog
from django.conf import settings

from conduit import clock
from tasks.insisting import insist
from videos import exchanges, late_money
from videos.accounts.calling import heard, provider_for
from videos.conditions import report_word
from videos.engine import lookups
from videos.engine.answers import NOT_TAKEN, billed_for, taken_late
from videos.engine.written import ClipFields
from videos.minimax.errors import MiniMaxError, Outcome
from videos.minimax.exchanges import Exchange, about, listening
from videos.minimax.provider import JobState, Phase
from videos.models import Clip, ClipState

log = structlog.get_logger(__name__)


def follow(clip_id: int) -> None:
    """Ask once how the job of an ended task goes, or whether MiniMax took its order. What could not be asked is asked later."""
    now = clock.now()
    clip = Clip.objects.to_follow(now).filter(pk=clip_id).select_related("account", "video").first()
    # The worker that writes when it is asked for next is the one that asks now.
    if clip is None or not Clip.objects.filter(pk=clip.pk, follow_at=clip.follow_at).update(follow_at=now + _pause()):
        return
    with listening() as said, about(clip.upstream):
        try:
            found = _of_order(clip) if clip.state == ClipState.SUBMITTING else _of_job(clip)
        except MiniMaxError as error:
            log.info("what became of a job is not known yet", code=error.code, clip=clip.pk)
            found = {}
    _write(clip, said, found)


def _pause() -> timedelta:
    return timedelta(seconds=settings.FOLLOW_SECONDS)


def _of_job(clip: Clip) -> ClipFields:
    """What is written to the clip, by what MiniMax says of its job."""
    try:
        with heard(clip):
            state = provider_for(clip).query(clip.provider_task_id)
    except MiniMaxError as error:
        if error.outcome is not Outcome.FINAL:
            raise
        log.warning("MiniMax no longer tells of a job: what it billed for it stays as it was", clip=clip.pk)
        return {"state": ClipState.FAILED}
    return _written(clip, state)


def _written(clip: Clip, state: JobState) -> ClipFields:
    now = clock.now()
    match state.phase:
        case Phase.FAILED:
            return {"state": ClipState.FAILED, "billed": billed_for(clip) - clip.cost}
        case Phase.SUCCEEDED:
            return {"state": ClipState.MADE, "made_at": now, "file_id": state.file_id}
    if state.odd_word:
        report_word(state.odd_word, task_id=clip.video_id, upstream=clip.upstream)
    return {"seen_running_at": now}


def _of_order(clip: Clip) -> ClipFields:
    """The same by whether it took an order whose answer was lost."""
    if clip.told_task_id:
        if lookups.is_told(clip):
            return taken_late(clip, clip.told_task_id)
        return {} if lookups.may_be_told_soon(clip) else {"told_task_id": ""}
    found = lookups.listed(clip, clip.video.prompt)
    if found.task_id:
        return taken_late(clip, found.task_id)
    return NOT_TAKEN if found.is_certain else {}


def _write(clip: Clip, said: list[Exchange], found: ClipFields) -> None:
    """Known here alone, so it is written even when the database goes away meanwhile."""
    until = time.monotonic() + settings.LEASE_SECONDS

    def write() -> None:
        # As it was asked for: an operator may have said meanwhile what became of it.
        if found and Clip.objects.filter(pk=clip.pk, state=clip.state, provider_task_id=clip.provider_task_id).update(**found):
            log.info("what became of a job is known", clip=clip.pk, state=str(found.get("state", clip.state)))
            late_money.settle_if_known(clip.video_id)
        exchanges.record(clip.video_id, clip.number, said)

    insist(write, until=lambda: until)
