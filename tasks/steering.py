"""What those who run the place do to anybody's task: what its owner could do, with a row of the audit in the same transaction."""

from collections.abc import Callable
from typing import Any

from django.db import transaction

from conduit.api.errors import Conflict, Unauthenticated
from conduit.api.idempotency import Idempotency
from keys import audit
from tasks import kinds, lifecycle
from tasks.models import Task


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


def retry(task: Task, *, who: str, idempotency: Idempotency | None, answer: Callable[[Task], dict[str, Any]], **told: Any) -> Task:
    """A new task of the same key for what a failed one asked for: that key's money, limits and budgets.

    `answer` is what an idempotent call keeps of it; `told` goes into the audit.

    Raises:
        Conflict: it did not fail, or its key opens nothing any more.
        ApiError: what its owner's retry would be refused for.
    """
    try:
        with transaction.atomic():
            again = kinds.kind_of(task).retry(key=task.key, original=task, idempotency=idempotency, answer=answer)
            audit.record(who=who, action="retry", target=task, retried_as=again.pk, **told)
    except Unauthenticated as error:
        # Not who calls is refused, but who would pay.
        raise Conflict(f"The task's key takes no new tasks. {error.message}", code="task_not_retryable") from error
    return again
