"""The same done to many tasks at once: cancelling, retrying or deleting what they made, in the background, as the API does it for one.

A run is a row. The worker that takes it up does one task after the other, each in a transaction with its outcome; a process that is killed
leaves nothing half done, and another goes on from there. A tick hands out runs that nobody works on.
"""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F

from conduit import clock
from conduit.api.errors import ApiError, InvalidRequest
from keys import audit, scopes
from keys.models import Scope
from tasks import dispatch, joins, kinds, lifecycle, steering
from tasks.models import ACTIVE, CAN_BE_RETRIED, Status, Task
from tasks.run_models import DETAIL_CHARACTERS, Action, Run, RunOutcome, RunQuerySet, RunState
from tasks.search import LOOKED_AT, Comparison, Wanted, search
from tasks.search_meaning import meaning_of

log = structlog.get_logger(__name__)

# Tasks whose money is added up before a run; of more it is said that it is at least so much.
PRICED = 500
CHOSEN_MAX = 1_000
# How long one turn works before the next may be somebody else's, and how long it is its own at most.
TURN_SECONDS, LEASE_SECONDS = 5.0, 60.0
# A run that was taken up so often without getting on leaves out the task that it stands at.
ATTEMPTS_MAX = 3
# After a turn that failed, and after a hint that nobody may have heard.
AGAIN_SECONDS = 5.0
KEPT = timedelta(days=90)
FORGOTTEN_AT_ONCE = 20
_BATCH = 50

# How the audit names what stops a run whose beginner's right was taken.
LOST_RIGHT = audit.Rule("the loss of the right")
# What an account of the console needs for each.
RIGHTS = {Action.CANCEL: "tasks.cancel_task", Action.RETRY: "tasks.retry_task", Action.DELETE: "tasks.delete_media"}
# And a management key.
SCOPES = {Action.CANCEL: Scope.OPERATE, Action.RETRY: Scope.OPERATE, Action.DELETE: Scope.KEYS}
# Which tasks each is for, in words.
FOR_WHICH = {
    Action.CANCEL: "only what is queued or processing can be cancelled.",
    Action.RETRY: CAN_BE_RETRIED,
    Action.DELETE: "only what has ended can lose its result and prompt.",
}

Outcome = RunOutcome.Outcome
# Which tasks each is for: of cancelled ones those alone have an error code that may be retried.
_CAN = {
    Action.DELETE: Wanted(status=frozenset({str(status) for status in lifecycle.ENDED})),
    Action.CANCEL: Wanted(status=frozenset(map(str, ACTIVE))),
    Action.RETRY: Wanted(
        status=frozenset({str(Status.FAILED), str(Status.CANCELLED)}), further=(Comparison(["error_code"], "error_code <> ''", []),)
    ),
}


@dataclass(frozen=True)
class Preview:
    """What a run would do, in tasks and USD; with `is_least` at least so much."""

    tasks: int
    left_as_they_are: int  # of those that were chosen
    is_least: bool
    usd: Decimal  # given back, or held
    charged_tasks: int = 0
    charged: Decimal = Decimal(0)


def preview(action: Action, *, search_text: str, chosen: Sequence[UUID] | None) -> Preview:
    """Read it off the rows, in bounded time.

    Raises:
        NotUnderstood: the search is none.
    """
    found = search(_scope(action, search_text, chosen, clock.now()), after=None, limit=LOOKED_AT)
    priced = list(Task.objects.filter(pk__in=found.task_ids[:PRICED]).select_related(*joins.related()))
    price = sum((task.price for task in priced), Decimal(0))
    count = len(found.task_ids)
    left = 0 if chosen is None else len(set(chosen)) - count
    is_least = found.next_after is not None or count > PRICED
    if action == Action.DELETE:
        return Preview(count, left, is_least, usd=Decimal(0))
    if action == Action.RETRY:
        return Preview(count, left, is_least, usd=price)
    owed = [amount for amount in kinds.owed_when_cancelled(priced).values() if amount]
    charged = sum(owed, Decimal(0))
    return Preview(count, left, is_least, usd=price - charged, charged_tasks=len(owed), charged=charged)


def begin(action: Action, *, who: str, search_text: str = "", chosen: Sequence[UUID] | None = None, form_id: UUID | None = None) -> Run:
    """Write the run down, for the workers to take up; the one that this form began, when it is sent again.

    Raises:
        NotUnderstood: the search is none.
        InvalidRequest: too many were chosen, or there is nothing to do.
    """
    if form_id and (begun := Run.objects.filter(form_id=form_id).first()):
        return begun
    if chosen is not None and not 0 < len(set(chosen)) <= CHOSEN_MAX:
        raise InvalidRequest(f"Choose 1 to {CHOSEN_MAX:,} tasks, or give a search that finds them.", param="task_ids")
    expected = preview(action, search_text=search_text, chosen=chosen)
    newest = Task.objects.order_by("-pk").values_list("pk", flat=True).first()
    if newest is None or not (expected.tasks or expected.is_least):
        raise InvalidRequest(f"There is no task to {action}: {_why_none(action)}", param="q" if chosen is None else "task_ids")
    ids = None if chosen is None else sorted({str(task_id) for task_id in chosen}, reverse=True)
    try:
        with transaction.atomic():
            run = Run.objects.create(
                action=action, search=search_text, task_ids=ids, up_to=newest, form_id=form_id, created_by=who, actor=audit.actor_at_hand(),
                expected=expected.tasks, expected_usd=expected.usd, is_least=expected.is_least,
            )  # fmt: skip
            audit.record(who=who, action=f"{action} many", target=run, q=search_text, chosen=len(ids or ()), expected=expected.tasks)
            transaction.on_commit(lambda: dispatch.hint_run(run.pk), robust=True)
    except IntegrityError:
        if form_id is None:
            raise
        return Run.objects.get(form_id=form_id)
    return run


def _why_none(action: Action) -> str:
    return f"none of these is fit for it, {FOR_WHICH[action]}"


def stop(run: Run, *, who: str) -> bool:
    """End it where it stands: what was done stays done. False when it had ended."""
    now = clock.now()
    with transaction.atomic():
        stopped = Run.objects.filter(pk=run.pk, state=RunState.AT_WORK).update(state=RunState.STOPPED, stopped_by=who, ended_at=now)
        if stopped:
            audit.record(who=who, action="stop", target=run)
    return bool(stopped)


def _scope(action: Action, search_text: str, chosen: Sequence[UUID] | None, now: datetime) -> Wanted:
    fit = _CAN[action]
    if chosen is not None:
        return fit & Wanted(task_ids=frozenset(chosen))
    return fit & meaning_of(search_text, now).wanted


# ---- At work ---------------------------------------------------------------------------------------------------------------


def hint_due(now: datetime) -> None:
    """Have runs that nobody works on taken up."""
    for run_id in Run.objects.due(now).order_by("next_step_at").values_list("pk", flat=True)[:_BATCH]:
        if not dispatch.hint_run(run_id):
            return
        Run.objects.filter(pk=run_id, lease_token=None).update(next_step_at=now + timedelta(seconds=AGAIN_SECONDS))


def advance(run_id: int, *, seconds: float = TURN_SECONDS) -> None:
    """Go on with a run for so long, if nobody else does."""
    run = _take(run_id)
    if run is None:
        return
    until = time.monotonic() + seconds
    with structlog.contextvars.bound_contextvars(run=run_id):
        try:
            while time.monotonic() < until:
                if not _batch(run, until):
                    return
        except Exception:
            _give_back(run, after=AGAIN_SECONDS)
            log.exception("a run does not get on", attempts=run.attempts)
            return
        _give_back(run)


def _take(run_id: int) -> Run | None:
    now = clock.now()
    token = uuid.uuid4()
    taken = Run.objects.due(now + timedelta(seconds=AGAIN_SECONDS)).filter(pk=run_id).exclude(lease_until__gt=now)
    lease = {"lease_token": token, "lease_until": now + timedelta(seconds=LEASE_SECONDS), "attempts": F("attempts") + 1}
    return Run.objects.get(pk=run_id) if taken.update(**lease) else None


def _give_back(run: Run, *, after: float = 0) -> None:
    due = clock.now() + timedelta(seconds=after)
    Run.objects.filter(pk=run.pk, lease_token=run.lease_token).update(lease_token=None, lease_until=None, next_step_at=due)


def _batch(run: Run, until: float) -> bool:
    """Do the next few tasks; False when the run is over, or somebody else's."""
    if not scopes.still_may(run.actor, SCOPES[Action(run.action)], right=RIGHTS[Action(run.action)]):
        _stop_for_want_of_right(run)
        return False
    if run.task_ids is not None:
        left = [task_id for task_id in run.chosen if run.position is None or task_id < run.position]
        ids, looked_to = left[:_BATCH], None
    else:
        after = run.position or UUID(int=run.up_to.int + 1)
        found = search(_scope(Action(run.action), run.search, None, run.created_at), after=after, limit=_BATCH)
        ids, looked_to = list(found.task_ids), found.next_after
    for task_id in ids:
        if not _do(run, task_id):
            return False
        if time.monotonic() > until:
            return True
    if looked_to and looked_to not in ids:  # looked at further than it found any
        return bool(_mine(run).update(position=looked_to, attempts=0)) and _moved(run, looked_to)
    if not ids:
        _mine(run).update(state=RunState.DONE, ended_at=clock.now(), lease_token=None, lease_until=None)
        return False
    return True


def _stop_for_want_of_right(run: Run) -> None:
    """The person who began it may do this no more, and so may the run."""
    why = f"{run.created_by} may {run.action} tasks no more."
    ended = {"state": RunState.STOPPED, "stopped_why": why, "ended_at": clock.now(), "lease_token": None, "lease_until": None}
    with transaction.atomic():
        if _mine(run).update(**ended):
            audit.record(who=LOST_RIGHT, action="stop", target=run, why=why)


def _mine(run: Run) -> RunQuerySet:
    return Run.objects.filter(pk=run.pk, state=RunState.AT_WORK, lease_token=run.lease_token)


def _moved(run: Run, position: UUID) -> bool:
    run.position, run.attempts = position, 0
    return True


def _do(run: Run, task_id: UUID) -> bool:
    """One task with its outcome, in one transaction; False when the run was stopped, or is somebody else's by now."""
    with transaction.atomic():
        if not _mine(run).select_for_update(no_key=True).exists():
            return False
        outcome = _outcome(run, task_id)
        if outcome is not None:
            outcome.save(force_insert=True)
            counted = {outcome.outcome: F(outcome.outcome) + 1}
            _mine(run).update(position=task_id, attempts=0, lease_until=clock.now() + timedelta(seconds=LEASE_SECONDS), **counted)
    return _moved(run, task_id)


def _outcome(run: Run, task_id: UUID) -> RunOutcome | None:
    """What became of it; None for a task that is not there."""
    task = Task.objects.for_operators().filter(pk=task_id).first()
    if task is None:
        return None
    found = RunOutcome(run=run, task_id=task_id, outcome=Outcome.DONE)
    if run.attempts > ATTEMPTS_MAX:
        found.outcome, found.detail = Outcome.REFUSED, "It could not be done, again and again, for a fault that the logs tell."
        return found
    try:
        if run.action == Action.CANCEL:
            if not steering.cancel(task, who=run.created_by, of=audit.target_of(run)):
                found.outcome, found.detail = Outcome.UNCHANGED, "It was cancelled already."
        elif run.action == Action.DELETE:
            if not steering.delete_media(task, who=run.created_by, of=audit.target_of(run)):
                found.outcome, found.detail = Outcome.UNCHANGED, "It was deleted already."
        elif again := steering.living_retry(task):
            found.outcome, found.retried_as, found.detail = Outcome.UNCHANGED, again.pk, "It was retried already."
        else:
            found.retried_as = steering.retry(task, who=run.created_by, of=audit.target_of(run)).pk
    except ApiError as error:
        fit = {Action.CANCEL: task.is_active, Action.RETRY: task.is_retryable, Action.DELETE: not task.is_active}[Action(run.action)]
        ended = error.code in ("task_not_cancellable", "task_not_retryable", "task_under_way") and not fit
        found.outcome, found.detail = Outcome.UNCHANGED if ended else Outcome.REFUSED, error.message[:DETAIL_CHARACTERS]
    return found


# ---- Upkeep ----------------------------------------------------------------------------------------------------------------


def forget_old(now: datetime) -> int:
    """Delete runs that ended longer ago than they are kept, with their outcomes. How many there were."""
    old = list(Run.objects.filter(ended_at__lt=now - KEPT).order_by("ended_at").values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])
    Run.objects.filter(pk__in=old).delete()
    return len(old)
