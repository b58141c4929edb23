"""What an administrator corrects by hand: a row in the ledger and one in the audit, never a change of either."""

from decimal import Decimal
from uuid import UUID

from django.db import transaction

from keys import audit, ledger
from keys.models import UsageCost, VirtualKey

Entry = UsageCost.Entry
KINDS = (Entry.REFUND, Entry.CREDIT, Entry.ADJUSTMENT)


def charge_of(task_id: UUID) -> UsageCost | None:
    """What a task was charged, while none of it was given back."""
    if UsageCost.objects.filter(task_id=task_id, entry=Entry.REFUND).exists():
        return None
    return UsageCost.objects.filter(task_id=task_id, entry=Entry.CAPTURE, amount__gt=0).select_related("key").first()


def correct(*, entry: str, key: VirtualKey, amount: Decimal, who: str, why: str, task_id: UUID | None = None) -> UsageCost:
    """Refund a task, or credit or adjust its key, by `amount` USD; the row that says so.

    Raises:
        ValueError: more would be refunded than was charged, or nothing credited.
        IntegrityError: the task was refunded before.
    """
    with transaction.atomic():
        match entry:
            case Entry.REFUND if task_id:
                ledger.refund(task_id=task_id, amount=amount, who=who, why=why)
            case Entry.CREDIT:
                ledger.credit(key=key, amount=amount, who=who, why=why)
            case Entry.ADJUSTMENT:
                ledger.adjust(key=key, amount=amount, who=who, why=why)
            case _:
                raise ValueError(f"{entry} is no correction, or names no task")
        audit.record(who=who, action=entry, target=key, amount=amount, task_id=task_id, why=why)
        return UsageCost.objects.filter(key=key, entry=entry).latest("pk")
