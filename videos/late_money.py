"""Money of tasks whose job outlived our patience, where TIMEOUT_CHARGES leaves it open until MiniMax says how the job ended."""

from contextlib import suppress
from decimal import Decimal
from uuid import UUID

from keys import ledger
from keys.models import UsageCost
from tasks import lifecycle
from tasks.models import ACTIVE, Status, Task
from videos.models import Clip, ClipState
from videos.presentation import share_of_price

_UNKNOWN = frozenset({ClipState.SUBMITTING, ClipState.SUBMITTED})


def settle_if_known(task_id: UUID) -> None:
    """Resolve the task's hold once it is known of each of its jobs how it ended: the share is charged that MiniMax made and bills.

    Nothing is charged for what a retry goes on with, which pays for itself. Belongs inside the transaction that wrote how a job ended.
    """
    task = Task.objects.select_related("video").filter(pk=task_id, settles_later=True).first()
    if task is None:
        return
    clips = list(Clip.objects.filter(video=task_id))
    if not any(clip.state in _UNKNOWN for clip in clips):
        lifecycle.settle(task_id, Decimal(0) if _is_retried(task_id) else _owed(task, clips))


def _owed(task: Task, clips: list[Clip]) -> Decimal:
    seconds = sum(clip.seconds for clip in clips if clip.billed and clip.state not in (ClipState.PLANNED, ClipState.FAILED))
    return share_of_price(task, seconds)


def _is_retried(task_id: UUID) -> bool:
    going_on = (*ACTIVE, Status.COMPLETED)
    return Clip.objects.filter(taken_from__video=task_id, video__task__status__in=going_on).exists()


def give_back(original: Task) -> None:
    """A retry takes over what a failed task was charged for later: it pays, and the original does not. Inside its transaction."""
    if original.charged and not UsageCost.objects.filter(task_id=original.pk, entry=UsageCost.Entry.REFUND).exists():
        with suppress(ValueError):
            ledger.refund(task_id=original.pk, who="conduit", why="A retry went on with its job, and pays for it.")
