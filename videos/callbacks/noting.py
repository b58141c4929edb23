"""What follows a callback: it is written down, and MiniMax is asked now."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db.models import F

from conduit import clock
from tasks import dispatch
from tasks.models import ACTIVE, PAUSED, Lane, Task
from videos.account_models import AccountState, ProviderAccount
from videos.callbacks.addresses import Ordered
from videos.minimax import reading, words
from videos.minimax.account import provider_at
from videos.minimax.errors import MiniMaxError
from videos.minimax.provider import Phase
from videos.models import Clip, ClipState

log = structlog.get_logger(__name__)

# States in which there is something to ask MiniMax for.
_OPEN = (ClipState.SUBMITTING, ClipState.SUBMITTED)
# Lanes whose steps ask MiniMax: how a job goes, and whether there is one.
_ASKS = (Lane.ASKING, Lane.PROVIDER)
_GOES_ON = (Phase.PREPARING, Phase.QUEUED, Phase.RUNNING)


def note(of: Ordered, said: Mapping[str, Any]) -> bool:
    """Write a callback down, and make its task's next step due. False when a step is at work that may have asked before:
    `make_due` is then to be called again in a moment."""
    clip = Clip.objects.filter(pk=of.clip_id).first()
    if clip is None:
        return True  # it was deleted
    told = _job_in(said)
    if of.number != clip.creates:
        _note_stray(clip, told, of.number)
        return True
    now = clock.now()
    lost = Clip.objects.filter(pk=clip.pk, state=ClipState.SUBMITTING)
    if told is None or not lost.update(told_task_id=told, pushed_at=now):
        Clip.objects.filter(pk=clip.pk, state__in=_OPEN).update(pushed_at=now)
        if _says_it_goes_on(said):
            return True
    return make_due(of)


def make_due(of: Ordered) -> bool:
    """Have MiniMax asked now. False while a step is at work."""
    now = clock.now()
    clip = Clip.objects.filter(pk=of.clip_id, state__in=_OPEN).values_list("video_id", "state").first()
    task = Task.objects.filter(pk=clip[0]).only("pk", "status", "stage", "lane").first() if clip else None
    if task is None or task.stage == PAUSED:
        return True
    if not task.is_active:
        Clip.objects.filter(pk=of.clip_id).update(follow_at=None)  # the next sweep asks
        _make_retries_due(of.clip_id)
        return True
    due = Task.objects.active().unleased(now).filter(pk=task.pk, lane__in=_ASKS)
    # Before all that is asked for in its turn, should that be more than can be asked for in time.
    if not due.update(next_step_at=now - timedelta(seconds=settings.MINIMAX_POLL_SECONDS)):
        return not Task.objects.active().filter(pk=task.pk).exists()
    dispatch.hint_soon(task.lane)
    return True


def _make_retries_due(clip_id: int) -> None:
    """Of tasks that took over the job of an ended one, and wait for it."""
    now = clock.now()
    waiting = Clip.objects.filter(taken_from=clip_id, state=ClipState.SUBMITTED, video__task__status__in=ACTIVE)
    for task in Task.objects.filter(pk__in=waiting.values("video")).only("pk"):
        if Task.objects.active().unleased(now).filter(pk=task.pk, lane__in=_ASKS).update(next_step_at=now):
            dispatch.hint_soon(Lane.ASKING)


def _note_stray(clip: Clip, told: str | None, number: int) -> None:
    """Of an order that was said never to have been, and was sent again: if MiniMax made it all the same, it bills both."""
    if told is None or told == clip.provider_task_id or told in clip.strays.split() or not _is_known(clip, told):
        return
    log.error("MiniMax made a job of an order that was said never to have been", clip=clip.pk, create=number, job=told)
    # Compared as it was read, so that of two callbacks one writes.
    mine = Clip.objects.filter(pk=clip.pk, strays=clip.strays)
    mine.update(strays=f"{clip.strays} {told}".strip(), billed=F("billed") + F("cost"))


def _is_known(clip: Clip, told: str) -> bool:
    """Whether one of the accounts that the order may have been made with has such a job."""
    for account in ProviderAccount.objects.filter(kind=f"minimax_{clip.api}").exclude(state=AccountState.OFF):
        try:
            provider_at(account.address, account.key, api=clip.api).query(told)
        except MiniMaxError:
            continue
        return True
    return False


def _facts(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """V2 wraps them as its query does."""
    return reading.mapping(said.get("task")) or said


def _job_in(said: Mapping[str, Any]) -> str | None:
    facts = _facts(said)
    return reading.identifier(facts.get("task_id")) or reading.identifier(facts.get("id"))


def _says_it_goes_on(said: Mapping[str, Any]) -> bool:
    status = reading.status(_facts(said).get("status"))
    return status is not None and words.phase_of(status) in _GOES_ON
