"""An operator says what became of an order whose answer was lost: it is job N, it never was, or nobody waits for it any more."""

from typing import Any
from uuid import UUID

from django.db import models, transaction

from conduit import conditions
from conduit.api.errors import Conflict, InvalidRequest
from keys import audit
from tasks import leases
from tasks.leases import LeaseLost
from tasks.models import Task
from videos import engine, exchanges, failures, late_money
from videos.accounts.calling import account_of, heard, provider_for
from videos.engine.answers import NOT_TAKEN, accepted, never_taken, taken_late
from videos.engine.step import Step, fail
from videos.engine.written import ClipFields
from videos.lost_orders.reading import CONDITION
from videos.minimax import reading
from videos.minimax.errors import MiniMaxError, Outcome
from videos.minimax.exchanges import Exchange, about, listening
from videos.models import Clip, ClipState
from videos.stages import Stage

_AT_WORK = "This order is being looked into at this very moment. Try it again in a few seconds."


class Decision(models.TextChoices):
    """What an operator says. The last is of tasks that still wait alone."""

    JOB = "job", "MiniMax took it: it is the job of this id"
    NEVER_WAS = "never_was", "MiniMax did not take it"
    GIVE_UP = "give_up", "Nobody knows: give up"


def undecided(task: Task) -> Clip | None:
    """The clip of a task about whose order there is something to say; None when there is none."""
    if task.is_active and task.stage != Stage.RECONCILING:
        return None
    lost = Clip.objects.filter(video_id=task.pk, state=ClipState.SUBMITTING, makes=Clip.Makes.VIDEO)
    return lost.select_related("account", "video").order_by("number").first()


def decide(task: Task, decision: str, *, provider_task_id: str = "", who: str) -> None:
    """Do what follows. It may call MiniMax, so call it outside transactions.

    Raises:
        Conflict: there is nothing to decide any more, or somebody is at it.
        InvalidRequest: MiniMax has no such job for that account, or it is another clip's.
    """
    clip = undecided(task)
    if clip is None:
        raise Conflict("There is no order of this task whose answer was lost.", code="nothing_to_reconcile")
    if decision == Decision.GIVE_UP and not task.is_active:
        raise Conflict("This task has ended: nobody waits for the order.", code="nothing_to_reconcile")
    told: dict[str, Any] = {"clip": clip.number, "outcome": decision}
    if decision == Decision.JOB:
        told["provider_task_id"] = provider_task_id = _job_of(clip, provider_task_id)
    if task.is_active:
        _go_on(task, decision, provider_task_id, lambda: audit.record(who=who, action="reconcile", target=task, **told))
    else:
        with transaction.atomic():
            _write_down(clip, decision, provider_task_id)
            late_money.settle_if_known(clip.video_id)
            audit.record(who=who, action="reconcile", target=task, **told)
    conditions.refresh(CONDITION)


def _job_of(clip: Clip, text: str) -> str:
    """The id of a job that may be the clip's: MiniMax knows it for the account that the clip was ordered with."""
    provider_task_id = reading.identifier(text)
    if provider_task_id is None:
        raise InvalidRequest("MiniMax's id of the job is needed, as its console shows it.", param="provider_task_id")
    if other := Clip.objects.filter(api=clip.api, provider_task_id=provider_task_id).exclude(pk=clip.pk).first():
        raise InvalidRequest(f"That is the job of another clip, of task {other.video_id}.", param="provider_task_id")
    with listening() as said, about(clip.upstream):
        try:
            with heard(clip):
                provider_for(clip).query(provider_task_id)
        except MiniMaxError as error:
            if error.outcome is Outcome.FINAL:
                account = account_of(clip).name
                raise InvalidRequest(f"MiniMax knows no job of that id for the account {account}.", param="provider_task_id") from None
            raise Conflict(f"MiniMax could not be asked for that job. {error.message}", code="provider_not_asked") from None
        finally:
            exchanges.record(clip.video_id, clip.number, said)
    return provider_task_id


def _go_on(task: Task, decision: str, provider_task_id: str, record: Any) -> None:
    """The task's next step, as the operator decided."""
    lease = leases.seize(task.pk)
    if lease is None:
        raise Conflict(_AT_WORK, code="task_at_work")
    said: list[Exchange] = []
    step = engine.load(lease, said)
    clip = step.clip
    try:
        if clip is None or clip.state != ClipState.SUBMITTING or step.task.stage != Stage.RECONCILING:
            raise Conflict("Meanwhile it became known what MiniMax did.", code="nothing_to_reconcile")
        with transaction.atomic():
            record()
            _end(step.at(clip), clip, decision, provider_task_id)
    except LeaseLost:
        raise Conflict(_AT_WORK, code="task_at_work") from None
    except Conflict:
        lease.give_back()
        raise


def _end(step: Step, clip: Clip, decision: str, provider_task_id: str) -> None:
    match decision:
        case Decision.JOB:
            accepted(step, clip, provider_task_id, asked_at_once=True)
        case Decision.NEVER_WAS:
            never_taken(step)
        case _:
            fail(step, failures.LOST_CREATE)


def _write_down(clip: Clip, decision: str, provider_task_id: str) -> None:
    """Of a task that has ended: what MiniMax bills for it."""
    written: ClipFields = NOT_TAKEN
    if decision == Decision.JOB:
        written = taken_late(clip, provider_task_id)
    if not Clip.objects.filter(pk=clip.pk, state=ClipState.SUBMITTING).update(**written):
        raise Conflict("Meanwhile it became known what MiniMax did.", code="nothing_to_reconcile")


def task_of(task_id: UUID) -> Task | None:
    """The task that is decided about."""
    return Task.objects.for_operators().filter(pk=task_id).first()
