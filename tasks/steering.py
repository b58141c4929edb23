"""What operators do to anybody's task: what its owner could do, with a row of the audit in the same transaction."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import transaction

from conduit.api.errors import Conflict, Unauthenticated
from conduit.statements import Steps
from keys import audit
from tasks import kinds, lifecycle
from tasks.models import Status, Task
from tasks.requests import RetryRequest

# Before every id of a task.
NO_RETRY = UUID(int=0)


def cancel(task: Task, *, who: str, **told: Any) -> bool:
    """Cancel a task, for what its owner's cancel costs; again is fine, and then nothing is done. Whether it was this call that did it.

    `told` goes into the audit.

    Raises:
        Conflict: it is completed or failed.
    """
    with transaction.atomic():
        cancelled = lifecycle.cancel(task)
        if cancelled:
            audit.record(who=who, action="cancel", target=task, **told)
    return cancelled


def living_retry(task: Task) -> Task | None:
    """The newest retry of it that is under way, or was completed: it needs no other. Call it inside a transaction.

    The task is the caller's until that ends: of two operators who meet at it the second finds what the first made.
    """
    Task.objects.select_for_update(no_key=True).values_list("pk").get(pk=task.pk)
    return task.retries.exclude(status__in=[Status.FAILED, Status.CANCELLED]).order_by("-pk").first()


def retry(
    task: Task,
    *,
    who: str,
    first: Callable[[Task], Steps[None]] | None = None,
    seen: UUID | None = None,
    own: RetryRequest | None = None,
    **told: Any,
) -> Task:
    """A new task of the same key for what a failed one asked for: that key's money, limits and budgets.

    `first` is done in its transaction before anything is written; `seen` is the newest retry that the operator knows of (NO_RETRY:
    none), None when it is wanted whatever there is; `own` is what the new task has of its own; `told` goes into the audit.

    Raises:
        Conflict: it is none that can be retried, its key opens nothing any more, or somebody else retried it since what was seen.
        ApiError: what its owner's retry would be refused for.
    """

    def before(again: Task) -> Steps[None]:
        if first:  # the claim of the call, which comes before any task in the order of locks
            yield from first(again)
        living = living_retry(task)
        if seen is not None and living and living.pk > seen:
            raise Conflict("It was retried meanwhile, by a run or by somebody else. Nothing more was done.", code="task_not_retryable")

    try:
        with transaction.atomic():
            again = kinds.kind_of(task).retry(key=task.key, original=task, own=own or RetryRequest(), first=before)
            audit.record(who=who, action="retry", target=task, retried_as=again.pk, **told)
    except Unauthenticated as error:
        # Not the caller is refused, but the key that would pay.
        raise Conflict(f"The task's key takes no new tasks. {error.message}", code="task_not_retryable") from error
    return again


def delete_media(task: Task, *, who: str, **told: Any) -> bool:
    """Delete what a task made and what was asked for; again is fine, and then nothing is done. Whether it was this call that did it.

    Raises:
        Conflict: it is under way.
    """
    with transaction.atomic():
        deleted = kinds.kind_of(task).delete_media(task)
        if deleted:
            audit.record(who=who, action="delete media", target=task, **told)
    return deleted
