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

from conduit import clock
from tasks import deadlines, leases
from tasks.leases import Lease, LeaseLost
from tasks.models import Task
from videos.engine import images, layout, making, media, ordering, reconciling
from videos.engine.job import Job, wait_for_repair
from videos.minimax.exchanges import Exchange, about, listening
from videos.models import Clip, ClipState

__all__ = ["advance", "load"]

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
    lease = leases.take(task_id, lane=lane, claim=claim)
    if lease is None:
        return
    with structlog.contextvars.bound_contextvars(task_id=str(task_id)), listening() as said:
        job = load(lease, said)
        try:
            _step(job)
        except LeaseLost:
            log.info("step no longer counts: the task was cancelled or taken over", clip=job.clip and str(job.clip.state))
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("step failed in a way that nobody foresaw", clip=job.clip and str(job.clip.state))
            said.clear()  # should it be these that cannot be written, the row must go on without them
            wait_for_repair(job)


def load(lease: Lease, said: list[Exchange]) -> Job:
    """The task with all that its steps look at."""
    task = Task.objects.select_related("video").get(pk=lease.task_id)
    return Job(lease, task, task.video, list(task.video.clips.select_related("account").order_by("number")), said)


def _step(job: Job) -> None:
    if deadlines.is_past(job.task, clock.now()):
        deadlines.end(job.task)
        return
    laid = job if job.clips else layout.lay_out(job)
    if laid is None:
        return
    if laid.clip is None:
        media.assemble(laid)
        return
    steps = IMAGE_STEPS if laid.clip.makes == Clip.Makes.IMAGE else STEPS
    with about(laid.clip.upstream):
        steps[ClipState(laid.clip.state)](laid, laid.clip)
