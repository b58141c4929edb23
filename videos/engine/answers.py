"""What follows a create, by what came of it: the job's id, a refusal, or nothing, and then whether MiniMax took it is not known."""

from typing import Any

import structlog

from conduit import clock
from tasks import dispatch, progress
from tasks.leases import LeaseLost
from tasks.models import Status
from tasks.progress import NOT_KNOWN
from tasks.written import ProgressFields
from videos.accounts import choosing
from videos.accounts.calling import account_of
from videos.engine import lining
from videos.engine.step import Step, fail, poll_pause, wait
from videos.engine.written import ClipFields
from videos.failures import Failure
from videos.minimax.errors import Blame, MiniMaxError, Outcome
from videos.models import Clip, ClipState
from videos.services import QUEUED_SECONDS
from videos.stages import Stage
from videos.waiting import growing_pause

log = structlog.get_logger(__name__)

# "Again, at most three times": a create that MiniMax answered with an internal error was refused.
CREATES_MAX = 4
# What is written to a clip that MiniMax certainly did not take: with the task's end, and when it is to be posted again.
NOT_TAKEN: ClipFields = {"state": ClipState.PLANNED}
UNSENT: ClipFields = {
    "state": ClipState.PLANNED, "sent_at": None, "sent_until": None, "account": None, "told_task_id": "", "pushed_at": None,
}  # fmt: skip


def accepted(step: Step, clip: Clip, provider_task_id: str, *, asked_at_once: bool = False) -> None:
    """MiniMax took it as that job, which is asked for at once where it may be made already."""
    now = clock.now()
    sent: ClipFields = {
        "state": ClipState.SUBMITTED,
        "submitted_at": now,
        "provider_task_id": provider_task_id,
        "told_task_id": "",
        "sent_until": None,
        "billed": billed_for(clip),
    }
    leg = step.leg(step.made_goal, clip.expected_seconds, rest=step.task.rest_seconds - clip.expected_seconds)
    due = now if asked_at_once else now + poll_pause(clip)
    try:
        step.write(clip=sent, begins=True, next_step_at=due, stage=Stage.PREPARING, **leg)
    except LeaseLost:
        # Cancelled while the call was under way: MiniMax makes and bills the clip all the same, so its id is kept, and called off.
        step.lease.insist(lambda: _keep_the_id(step, clip, sent))
        raise


def billed_for(clip: Clip) -> Any:
    """USD that MiniMax bills for the clip once it has taken its order; for each order of it that was thought not to be taken, too."""
    return clip.cost * (1 + len(clip.strays.split()))


def taken_late(clip: Clip, provider_task_id: str) -> ClipFields:
    """What is written to a clip of an ended task of whose job it became known that MiniMax made it: it is followed to its end."""
    return {
        "state": ClipState.SUBMITTED,
        "provider_task_id": provider_task_id,
        "told_task_id": "",
        "submitted_at": clip.sent_at,
        "billed": billed_for(clip),
        "follow_at": None,
    }


def _keep_the_id(step: Step, clip: Clip, sent: ClipFields) -> None:
    Clip.objects.filter(pk=clip.pk, state=ClipState.SUBMITTING).update(**sent)
    step.write_what_was_said()
    dispatch.hint_cancelled_on_commit(step.task.pk, step.task.kind)


def refused(step: Step, clip: Clip, error: MiniMaxError) -> None:
    """What follows a create that did not succeed: only one that was certainly refused may be posted again."""
    match error.outcome:
        case Outcome.FINAL | Outcome.UNKNOWN:
            fail(step, Failure.of(error), clip=NOT_TAKEN if error.outcome is Outcome.FINAL else None)
        case Outcome.AGAIN if clip.creates + 1 >= CREATES_MAX:
            fail(step, Failure.of(error), clip=NOT_TAKEN)
        case Outcome.AGAIN:
            wait(step, error, clip=UNSENT)
        case Outcome.LATER | Outcome.OPERATOR:
            # It says nothing about this clip, so it does not count against it.
            _leave_the_account(step, clip, error, UNSENT | {"creates": clip.creates})


def _leave_the_account(step: Step, clip: Clip, error: MiniMaxError, unsent: ClipFields) -> None:
    """Another account takes over at once; without one the task waits until its own may be ordered with again.

    What was ordered in its turn, and refused for no doing of its own, keeps that turn.
    """
    if error.blame is Blame.RATE:
        lining.stand(step, clip, unsent=unsent, had_turn=True, last_error_code=error.code)
    elif choosing.elsewhere(step.task, clip, than=account_of(clip)):
        log.info("another account takes over", code=error.code)
        if not lining.goes_on(step, clip, unsent=unsent, last_error_code=error.code):
            step.write(clip=unsent, attempts=step.task.attempts, last_error_code=error.code)
    else:
        wait(step, error, clip=unsent, until=choosing.when(step.task, clip))


def without_callback(step: Step, clip: Clip) -> None:
    """MiniMax could not reach the URL that the order named: it took nothing, and is asked again at once, without one."""
    unsent = UNSENT | {"creates": clip.creates}
    if not lining.goes_on(step, clip, unsent=unsent):
        step.write(clip=unsent, attempts=step.task.attempts)


def lost(step: Step, clip: Clip) -> None:
    """Its answer did not come, so that MiniMax may make it: what became of it is found out before anything else is done."""
    log.warning("the answer to a create was lost", clip=clip.number)
    step.write(next_step_at=clock.now() + growing_pause(step.task.attempts), attempts=step.task.attempts, **reconciling(step))


def reconciling(step: Step) -> ProgressFields:
    """The fields of a task of which nobody knows when it goes on: its progress stands still."""
    if step.task.stage == Stage.RECONCILING:
        return {"stage": Stage.RECONCILING}
    reached = progress.read(step.task, clock.now()).progress
    goal = max(step.task.leg_goal, reached)
    return {"stage": Stage.RECONCILING, "progress": reached, "leg_goal": goal, "leg_started_at": NOT_KNOWN}


def never_taken(step: Step) -> None:
    """MiniMax did not take it, as its list or an operator says: it may be posted again."""
    step.write(clip=UNSENT, **back_in_line(step))


def back_in_line(step: Step) -> ProgressFields:
    """The fields of a task that goes on to where it may be ordered once more."""
    stage = "queued" if step.task.status == Status.QUEUED else Stage.GENERATING
    leg = step.leg(step.task.leg_goal, QUEUED_SECONDS, rest=step.task.rest_seconds)
    return {"stage": stage, **leg}  # type: ignore[typeddict-item]  # mypy wants what may be left out named
