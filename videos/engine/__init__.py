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
from videos.engine import images, layout, making, media, ordering, reconciling
from videos.engine.job import Job, wait_for_repair
from videos.minimax.exchanges import Exchange, about, listening
from videos.minimax.provider import JobState
from videos.models import Clip, ClipState

__all__ = ["advance", "answered", "go_on", "load"]

log = structlog.get_logger(__name__)

Steps = dict[ClipState, Callable[[Job, Clip], None]]
STEPS: Steps = {
    ClipState.PLANNED: ordering.submit,
    ClipState.SUBMITTING: reconciling.find_out,
    ClipState.SUBMITTED: making.ask,
    ClipState.MADE: making.locate,
    ClipState.LOCATED: making.fetch,
    ClipState.STORED: media.look_into,
}
IMAGE_STEPS: Steps = {
    ClipState.PLANNED: images.submit,
    ClipState.SUBMITTING: images.order_anew,
    ClipState.LOCATED: images.fetch,
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

    def tell(job: Job) -> None:
        assert job.clip  # noqa: S101 - it was asked for, under this lease
        if not _is_past_deadline(job):
            making.told(job.at(job.clip), job.clip, answer)

    _under(lease, said, tell)


def _under(lease: Lease, said: list[Exchange], step: Callable[[Job], None]) -> None:
    with structlog.contextvars.bound_contextvars(task_id=str(lease.task_id)):
        job = load(lease, said)
        try:
            with traces.step(_name_of(job), job.task.traceparent, _facts(job)):
                step(job)
        except LeaseLost:
            note(LEASES_LOST, job.task.lane)
            log.info("step no longer counts: the task was cancelled or taken over", clip=job.clip and str(job.clip.state))
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("step failed in a way that nobody foresaw", clip=job.clip and str(job.clip.state))
            said.clear()  # should it be these that cannot be written, the row must go on without them
            wait_for_repair(job)


def _name_of(job: Job) -> str:
    """What a span of the step is called."""
    return f"step {job.clip.state if job.clip else 'assemble' if job.clips else ClipState.PLANNED}"


def _facts(job: Job) -> dict[str, str | int | None]:
    clip = job.clip
    return {
        "task_id": str(job.task.pk),
        "model": job.task.model,
        "upstream": clip.upstream if clip else job.video.upstream,
        "seconds": job.video.duration,
        "account": clip.account.name if clip and clip.account else None,
        "attempts": job.task.attempts,
    }


def load(lease: Lease, said: list[Exchange]) -> Job:
    """The task with all that its steps look at."""
    task = Task.objects.select_related("video").get(pk=lease.task_id)
    return Job(lease, task, task.video, list(task.video.clips.select_related("account").order_by("number")), said)


def _is_past_deadline(job: Job) -> bool:
    """Whether the task's deadline has come; it was ended then."""
    if not deadlines.is_past(job.task, clock.now()):
        return False
    deadlines.end(job.task)
    return True


def _step(job: Job) -> None:
    if _is_past_deadline(job):
        return
    laid = job if job.clips else layout.lay_out(job)
    if laid is None:
        return
    if laid.clip is None:
        media.assemble(laid)
        return
    steps = IMAGE_STEPS if laid.clip.makes == Clip.Makes.IMAGE else STEPS
    with about(laid.clip.upstream):
        steps[ClipState(laid.clip.state)](laid.at(laid.clip), laid.clip)
