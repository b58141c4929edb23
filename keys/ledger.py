"""Money of tasks: held when a task is created, resolved once when it ends; and what an administrator corrects.

Every function belongs inside the transaction that moves the task; none opens one of its own. Each writes its rows first
and then moves the counters of the budgets that the rows name, so that a second resolution stops at the rows' constraint.
"""

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from keys import budgets
from keys.models import UsageCost, VirtualKey

Entry = UsageCost.Entry

# What each entry does to the counters of its windows: times its amount, to (held, spent).
EFFECTS: Mapping[str, tuple[int, int]] = {
    Entry.HOLD: (1, 0),
    Entry.CAPTURE: (-1, 1),
    Entry.RELEASE: (-1, 0),
    Entry.REFUND: (0, -1),
    Entry.CREDIT: (0, -1),
    Entry.ADJUSTMENT: (0, 1),
}


def hold(*, key: VirtualKey, task_id: UUID, task_kind: str, model: str, amount: Decimal) -> None:
    """Reserve a task's price (USD) on its key, against every budget of the key and its team.

    Raises:
        InsufficientQuota: a budget has less left.
    """
    windows = budgets.take(key, amount)
    UsageCost.objects.create(key=key, task_id=task_id, task_kind=task_kind, model=model, entry=Entry.HOLD, amount=amount, windows=windows)


def settle(*, task_id: UUID, captured: Decimal) -> None:
    """Resolve a task's hold: `captured` is charged, the rest goes back.

    Raises:
        ValueError: more would be captured than is held.
        IntegrityError: the hold was resolved before.
    """
    held = UsageCost.objects.get(task_id=task_id, entry=Entry.HOLD)
    if not 0 <= captured <= held.amount:
        raise ValueError(f"cannot capture {captured} of a hold of {held.amount}")
    amounts = {Entry.CAPTURE: captured, Entry.RELEASE: held.amount - captured}
    UsageCost.objects.bulk_create(
        # A zero says nothing, but a resolved hold always leaves its capture row: the constraint then stops a second one.
        _following(held, entry, amount)
        for entry, amount in amounts.items()
        if amount or entry == Entry.CAPTURE
    )
    budgets.move(held.windows, held=-held.amount, spent=captured)


def refund(*, task_id: UUID, who: str, why: str, amount: Decimal | None = None) -> Decimal:
    """Give back `amount` USD of what a task was charged (None: all), once; the budgets of its time get it back.

    Raises:
        ValueError: nothing was charged, or less than `amount`.
        IntegrityError: it was refunded before.
    """
    charged = UsageCost.objects.filter(task_id=task_id, entry=Entry.CAPTURE).first()
    if charged is None or not charged.amount:
        raise ValueError("nothing was charged for this task")
    back = charged.amount if amount is None else amount
    if not 0 < back <= charged.amount:
        raise ValueError(f"cannot refund {back} of a charge of {charged.amount}")
    row = _following(charged, Entry.REFUND, back)
    row.who, row.why = who, why
    row.save()
    budgets.move(charged.windows, spent=-back)
    return back


def credit(*, key: VirtualKey, amount: Decimal, who: str, why: str) -> None:
    """Give the key `amount` USD: its budgets count that much less as spent, in the periods that run now.

    Raises:
        ValueError: the amount is not positive.
    """
    if amount <= 0:
        raise ValueError("a credit gives something")
    windows = budgets.charge(key, -amount)
    UsageCost.objects.create(key=key, entry=Entry.CREDIT, amount=amount, windows=windows, who=who, why=why)


def adjust(*, key: VirtualKey, amount: Decimal, who: str, why: str) -> None:
    """Correct what the key has spent by `amount` USD, in either direction, in the periods that run now."""
    windows = budgets.charge(key, amount)
    UsageCost.objects.create(key=key, entry=Entry.ADJUSTMENT, amount=amount, windows=windows, who=who, why=why)


def _following(earlier: UsageCost, entry: UsageCost.Entry, amount: Decimal) -> UsageCost:
    """A later row of the same task."""
    return UsageCost(
        key_id=earlier.key_id,
        task_id=earlier.task_id,
        task_kind=earlier.task_kind,
        model=earlier.model,
        entry=entry,
        amount=amount,
        windows=earlier.windows,
    )
