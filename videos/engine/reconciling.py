"""A create whose answer was lost: what became of it is found out, and it is never sent again blindly.

V2 has a list, in which the job is looked up. V1 has none: there MiniMax's callback tells the job's id, or an operator says what became
of it. After RECONCILING_SECONDS_MAX without an answer from any of them the task fails, and the clip is listed under Money.
"""

from datetime import datetime, timedelta

import structlog
from django.conf import settings

from conduit import clock
from videos import failures
from videos.engine import lookups
from videos.engine.answers import CREATES_MAX, NOT_TAKEN, accepted, never_taken, reconciling
from videos.engine.lookups import LISTED_WITHIN, NoList
from videos.engine.step import Step, fail
from videos.minimax.errors import MiniMaxError, Undecided
from videos.models import Clip
from videos.waiting import growing_pause

log = structlog.get_logger(__name__)

# What does not become known soon is asked for again after this share of the time that it is not known.
_AGAIN_AFTER = 0.1


def find_out(step: Step, clip: Clip) -> None:
    """The answer was lost, or a process died between the intent and the answer: MiniMax may have accepted, or not."""
    sent_at = clip.sent_until or clip.sent_at
    if sent_at is None or clip.sent_at is None:  # of no order that we made
        fail(step, failures.LOST_CREATE)
        return
    try:
        if clip.told_task_id and lookups.is_told(clip):
            log.info("lost create told by a callback", clip=clip.number)
            accepted(step, clip, clip.told_task_id, asked_at_once=True)
            return
        if clip.told_task_id and not lookups.may_be_told_soon(clip):
            log.warning("a callback told of a job that is not this clip's", clip=clip.number)
            step.note(clip={"told_task_id": ""})
        found = lookups.listed(clip, step.video.prompt)
    except NoList:
        soon = bool(clip.told_task_id) and lookups.may_be_told_soon(clip)
        _look_again(step, sent_at, at=None if soon else _given_up_at(sent_at))
    except MiniMaxError as error:
        log.info("what became of a create is not known yet", code=error.code, undecided=isinstance(error, Undecided))
        may_grow = isinstance(error, Undecided) and clock.now() < sent_at + LISTED_WITHIN
        _look_again(step, sent_at, at=sent_at + LISTED_WITHIN if may_grow else None)
    else:
        if found.task_id:
            log.info("lost create found", clip=clip.number)
            accepted(step, clip, found.task_id, asked_at_once=True)
        elif not found.is_certain:
            _look_again(step, sent_at, at=sent_at + LISTED_WITHIN)
        elif clip.creates >= CREATES_MAX:
            fail(step, failures.NEVER_TAKEN, clip=NOT_TAKEN)
        else:
            never_taken(step)


def _look_again(step: Step, sent_at: datetime, *, at: datetime | None = None) -> None:
    """Soon at first, then ever more rarely, until nobody waits for it any more."""
    now = clock.now()
    if late := failures.overdue(step.task, step.clips, now):
        fail(step, late)
        return
    due = at or now + max(growing_pause(step.task.attempts), (now - sent_at) * _AGAIN_AFTER)
    step.write(next_step_at=min(due, _given_up_at(sent_at)), attempts=step.task.attempts, **reconciling(step))


def _given_up_at(sent_at: datetime) -> datetime:
    return sent_at + timedelta(seconds=settings.RECONCILING_SECONDS_MAX)
