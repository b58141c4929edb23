"""What an administrator corrects by hand: a row in the ledger and one in the audit, never a change of either."""

from decimal import Decimal
from uuid import UUID

from django.db import transaction

from conduit.api.errors import Conflict
from keys import audit, ledger, locks
from keys.models import UsageCost, VirtualKey

Entry = UsageCost.Entry
KINDS = (Entry.REFUND, Entry.CREDIT, Entry.ADJUSTMENT)


def charge_of(task_id: UUID) -> UsageCost | None:
    """What a task was charged, while none of it was given back."""
    if UsageCost.objects.filter(task_id=task_id, entry=Entry.REFUND).exists():
        return None
    return UsageCost.objects.filter(task_id=task_id, entry=Entry.CAPTURE, amount__gt=0).select_related("key").first()


def sent_before(form_id: UUID | None) -> UsageCost | None:
    """The row that this form already added."""
    return UsageCost.objects.filter(form_id=form_id).select_related("key").first() if form_id else None


def correct(
    *, entry: str, key: VirtualKey, amount: Decimal, who: str, why: str, task_id: UUID | None = None, form_id: UUID | None = None
) -> UsageCost:
    """Refund a task, or credit or adjust its key, by `amount` USD; the row that says so.

    A form that is sent again (a double click, a page that is loaded again) is answered with the row that it already added.

    Raises:
        Conflict: the task was refunded before, or has no charge of so much; or the form was filled in anew for something else.
        ValueError: nothing is credited or adjusted.
    """
    with transaction.atomic():
        # From here on nobody else corrects this key: what is looked up below still holds when it is written. The team whose budgets
        # it counts in is locked then: a task's may be another than the key's, and two such teams would be locked crosswise.
        locks.lock_payers(key_id=key.pk, team_id=None)
        if before := sent_before(form_id):
            return _same(before, entry=entry, key_id=key.pk, amount=amount)
        match entry:
            case Entry.REFUND if task_id:
                charge = charge_of(task_id)
                if charge is None or amount > charge.amount:
                    raise Conflict("This task was refunded meanwhile, or was not charged so much.")
                row = ledger.refund(task_id=task_id, amount=amount, who=who, why=why, form_id=form_id)
            case Entry.CREDIT:
                row = ledger.credit(key=key, amount=amount, who=who, why=why, form_id=form_id)
            case Entry.ADJUSTMENT:
                row = ledger.adjust(key=key, amount=amount, who=who, why=why, form_id=form_id)
            case _:
                raise ValueError(f"{entry} is no correction, or names no task")
        audit.record(who=who, action=entry, target=key, amount=amount, task_id=task_id, why=why)
        audit.tells_of(row)
        return row


def _same(before: UsageCost, **wanted: object) -> UsageCost:
    if any(getattr(before, name) != value for name, value in wanted.items()):
        raise Conflict("This form was sent before with something else in it: open a new one.")
    return before
