"""The only way forward: `advance` does one step of a task and writes what came of it.

A video is a row of clips, each made by one job at MiniMax, the first image among them; the first that is not ready is the
one at hand, and its state says which step is next. When all are ready they are assembled. A step calls the network or
works on a file outside any transaction, then writes its outcome in one short transaction that counts only while its lease
holds. Every step can be run again, but for one: a create whose answer was lost is never posted again unless MiniMax can
tell that it was not accepted, because it bills every job that it accepted.
"""

from collections.abc import Callable
from uuid import UUID

import structlog
from django.db.utils import InterfaceError, OperationalError

from conduit import clock, traces
from conduit.metrics import note
from tasks import deadlines, leases
from tasks.leases import Lease, LeaseLost
from tasks.metrics import LEASES_LOST
from tasks.models import Task
from videos.engine import clip_rows, first_frame, polling, reconciling, rendering, submission
from videos.engine.step import Step, wait_for_repair
from videos.minimax.exchanges import Exchange, about, listening
from videos.minimax.provider import JobState
from videos.models import Clip, ClipState

__all__ = ["advance", "answered", "go_on", "load"]

log = structlog.get_logger(__name__)

Steps = dict[ClipState, Callable[[Step, Clip], None]]
STEPS: Steps = {
    ClipState.PLANNED: submission.submit,
    ClipState.SUBMITTING: reconciling.find_out,
    ClipState.SUBMITTED: polling.ask,
    ClipState.MADE: polling.locate,
    ClipState.LOCATED: polling.fetch,
    ClipState.STORED: rendering.probe,
}
IMAGE_STEPS: Steps = {
    ClipState.PLANNED: first_frame.submit,
    ClipState.SUBMITTING: first_frame.order_anew,
    ClipState.LOCATED: first_frame.fetch,
}


def advance(task_id: UUID, *, lane: str, claim: UUID | None = None) -> None:
    """Do the task's next step, if it is due, this lane's, and nobody else's.

    Each outcome, a failure too, is written to the row; raised is only that the database cannot be written to. The lease
    then lapses, and the step is done anew.
    """
    if lease := leases.take(task_id, lane=lane, claim=claim):
        go_on(lease)


def go_on(lease: Lease) -> None:
    """The same for a step that was begun."""
    with listening() as said:
        _under(lease, said, _step)


def answered(lease: Lease, answer: JobState | Exception, said: list[Exchange]) -> None:
    """The same for a step that asked how the clip at hand goes, and was answered so; `said` is what was said for it."""

    def tell(step: Step) -> None:
        assert step.clip  # noqa: S101 - it was asked for, under this lease
        if not _is_past_deadline(step):
            polling.told(step.at(step.clip), step.clip, answer)

    _under(lease, said, tell)


def _under(lease: Lease, said: list[Exchange], do: Callable[[Step], None]) -> None:
    with structlog.contextvars.bound_contextvars(task_id=str(lease.task_id)):
        step = load(lease, said)
        try:
            with traces.step(_name_of(step), step.task.traceparent, _facts(step)):
                do(step)
        except LeaseLost:
            note(LEASES_LOST, step.task.lane)
            log.info("step no longer counts: the task was cancelled or taken over", clip=step.clip and str(step.clip.state))
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("step failed in a way that nobody foresaw", clip=step.clip and str(step.clip.state))
            said.clear()  # should it be these that cannot be written, the row must go on without them
            wait_for_repair(step)


def _name_of(step: Step) -> str:
    """What a span of the step is called."""
    return f"step {step.clip.state if step.clip else 'assemble' if step.clips else ClipState.PLANNED}"


def _facts(step: Step) -> dict[str, str | int | None]:
    clip = step.clip
    return {
        "task_id": str(step.task.pk),
        "model": step.task.model,
        "upstream": clip.upstream if clip else step.video.upstream,
        "seconds": step.video.duration,
        "account": clip.account.name if clip and clip.account else None,
        "attempts": step.task.attempts,
    }


def load(lease: Lease, said: list[Exchange]) -> Step:
    """The task with all that its steps look at."""
    task = Task.objects.select_related("video").get(pk=lease.task_id)
    return Step(lease, task, task.video, list(task.video.clips.select_related("account").order_by("number")), said)


def _is_past_deadline(step: Step) -> bool:
    """Whether the task's deadline has come; it was ended then."""
    if not deadlines.is_past(step.task, clock.now()):
        return False
    deadlines.end(step.task)
    return True


def _step(step: Step) -> None:
    if _is_past_deadline(step):
        return
    laid = step if step.clips else clip_rows.lay_out(step)
    if laid is None:
        return
    if laid.clip is None:
        rendering.render(laid)
        return
    steps = IMAGE_STEPS if laid.clip.makes == Clip.Makes.IMAGE else STEPS
    with about(laid.clip.upstream):
        steps[ClipState(laid.clip.state)](laid.at(laid.clip), laid.clip)
