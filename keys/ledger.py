"""Money of tasks: held when a task is created, resolved once when it ends.

Every function belongs inside the transaction that moves the task; none opens one of its own.
"""

from decimal import Decimal
from uuid import UUID

from keys.models import UsageCost, VirtualKey

Entry = UsageCost.Entry


def hold(*, key: VirtualKey, task_id: UUID, task_kind: str, model: str, amount: Decimal) -> None:
    """Reserve a task's price (USD) on its key."""
    UsageCost.objects.create(key=key, task_id=task_id, task_kind=task_kind, model=model, entry=Entry.HOLD, amount=amount)


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
        UsageCost(key_id=held.key_id, task_id=task_id, task_kind=held.task_kind, model=held.model, entry=entry, amount=amount)
        for entry, amount in amounts.items()
        if amount or entry == Entry.CAPTURE
    )
