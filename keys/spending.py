"""What a create needs of a key: in one call, and in one order of locks and questions for everybody who creates."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from conduit.statements import Statement, Steps
from keys import budgets, client_tokens, ledger, limits, locks
from keys.authentication import check_usable
from keys.models import VirtualKey


@dataclass(frozen=True)
class Reserved:
    """The key of now with its team, both locked until the transaction ends, and what is to be written of the hold."""

    key: VirtualKey
    writes: list[Statement]
    waiting: int | None = None  # how many of the key's tasks wait before the new one, if it has to wait until others end; else None
    is_as_read: bool = False  # the writes hold only for the key that was given, and fail if it, or `also`, has moved


def reserve(
    key: VirtualKey,
    *,
    task_id: UUID,
    task_kind: str,
    model: str,
    amount: Decimal,
    counting: Statement,
    also: tuple[str, Sequence[Any]] | None = None,
) -> Steps[Reserved]:
    """Hold a new task's price (USD) on its key, if the key of now may create it: what was true when the call was authenticated may
    have changed, and from here to the commit it does not.

    `counting` counts the key's tasks beside the new one: how many are in flight, how many were created in the sixty minutes before, when
    the first of those was, and how many wait until others end. It is asked only where the key has a limit of tasks. The hour is the
    one before the moment that the new task will show: others may have been created meanwhile, and that moment lies as far back as
    this one waited for the key.

    With `also` (keys.locks.still_as_read) nothing is asked where the key alone says that it may: the lock comes with the writes. What is
    sent with them is sent again without `also` when it raises keys.locks.Moved.

    Raises:
        Unauthenticated: the key was disabled or deleted, or it or its client token ended, since the call was authenticated.
        RateLimited: the key has too many tasks in flight, or waiting, or made too many within the hour.
        InsufficientQuota: a budget of the key or its team, or the client token that the key carries, has less left than the price.
    """
    token = key.client_token
    of_task: dict[str, Any] = {"task_id": task_id, "task_kind": task_kind, "model": model}
    if also and key.row_version and not (token or limits.needs_counts(key) or budgets.may_bind(key)):
        check_usable(key)
        writes = yield from ledger.holding(key=key, amount=amount, **of_task)
        return Reserved(key, [locks.still_as_read(key, also), *writes], is_as_read=True)
    # What the key of before needs to know is asked along with the lock.
    counts = [counting] if limits.needs_counts(key) else []
    binding = [budgets.binding_of(key)] if budgets.may_bind(key) else []
    now, found = yield from locks.locking(key, *counts, *binding)
    # Whatever may refuse comes before anything is written: of many calls at once, the refused ones let go of the key soonest.
    check_usable(now)
    of_token = (yield from client_tokens.reserving(token, task_id=task_id, amount=amount)) if token else []
    waiting = None
    if limits.needs_counts(now):
        [[(in_flight, last_hour, oldest, before)]] = found[:1] if found and counts else (yield [counting])
        if limits.check_counts(now, in_flight=in_flight, last_hour=last_hour, oldest=oldest, waiting=before):
            waiting = before
    writes = yield from ledger.holding(key=now, amount=amount, bound=found[-1] if found and binding else None, **of_task)
    return Reserved(now, [*writes, *of_token], waiting)
