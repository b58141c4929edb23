"""Money of tasks: held when a task is created, resolved once when it ends; and what an administrator corrects.

Every function belongs inside the transaction that moves the task; none opens one of its own. A hold asks the budgets first,
so that a refused one writes nothing. What resolves or corrects writes its rows first and then moves the counters of the
budgets in which they count, so that a second resolution stops at the rows' constraint.
"""

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from django.db.models import Q, QuerySet, Sum

from conduit import clock
from conduit.statements import Rows, Statement, Steps, insert
from keys import budgets, locks
from keys.models import Budget, UsageCost, VirtualKey

Entry = UsageCost.Entry

# What each entry does to the counters of the windows in which it counts: times its amount, to (held, spent).
EFFECTS: Mapping[str, tuple[int, int]] = {
    Entry.HOLD: (1, 0),
    Entry.CAPTURE: (-1, 1),
    Entry.RELEASE: (-1, 0),
    Entry.REFUND: (0, -1),
    Entry.CREDIT: (0, -1),
    Entry.ADJUSTMENT: (0, 1),
}


def rows_of(task_id: UUID) -> QuerySet[UsageCost]:
    """The rows of a task in the order written."""
    return of_task(UsageCost.objects.order_by("id"), task_id)


def of_task(rows: QuerySet[UsageCost], task_id: UUID) -> QuerySet[UsageCost]:
    """Those of a task. The entries that a task has are named: the index of them holds no others."""
    return rows.filter(task_id=task_id, entry__in=UsageCost.ONCE_PER_TASK)


def holding(
    *, key: VirtualKey, task_id: UUID, task_kind: str, model: str, amount: Decimal, bound: Rows | None = None
) -> Steps[list[Statement]]:
    """Reserve a task's price (USD) on its key, as keys.locks gave it, against every budget of the key and its team: `bound`, where
    budgets.binding_of was asked under that lock. Gives what is then to be written.

    Raises:
        InsufficientQuota: a budget has less left.
    """
    now = clock.now()
    alerts = yield from budgets.taking(key, amount, now, bound)
    of_task = {"task_id": task_id, "task_kind": task_kind, "model": model}
    row = UsageCost(key=key, team_id=key.team_id, entry=Entry.HOLD, amount=amount, counted_at=now, created_at=now, **of_task)
    return [*alerts, insert(row)]


def settle(*, task_id: UUID, captured: Decimal) -> None:
    """Resolve a task's hold: `captured` is charged, the rest goes back.

    Raises:
        ValueError: more would be captured than is held.
        IntegrityError: the hold was resolved before.
    """
    held = UsageCost.objects.get(task_id=task_id, entry=Entry.HOLD)
    if not 0 <= captured <= held.amount:
        raise ValueError(f"cannot capture {captured} of a hold of {held.amount}")
    locks.lock_payers(key_id=held.key_id, team_id=held.team_id)
    amounts = {Entry.CAPTURE: captured, Entry.RELEASE: held.amount - captured}
    UsageCost.objects.bulk_create(
        # A zero says nothing, but a resolved hold always leaves its capture row: the constraint then stops a second one.
        _following(held, entry, amount)
        for entry, amount in amounts.items()
        if amount or entry == Entry.CAPTURE
    )
    _move(held, held=-held.amount, spent=captured)


def refund(*, task_id: UUID, who: str, why: str, amount: Decimal | None = None, form_id: UUID | None = None) -> UsageCost:
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
    locks.lock_payers(key_id=charged.key_id, team_id=charged.team_id)
    row = _following(charged, Entry.REFUND, back)
    row.who, row.why, row.form_id = who, why, form_id
    row.save()
    _move(charged, spent=-back)
    return row


def credit(*, key: VirtualKey, amount: Decimal, who: str, why: str, form_id: UUID | None = None) -> UsageCost:
    """Give the key `amount` USD: its own budgets count that much less as spent, in the periods that run now.

    A credit is a gift to this key alone. What the team spent stays as it is, so that no gift to one key is spent by another.

    Raises:
        ValueError: the amount is not positive.
    """
    if amount <= 0:
        raise ValueError("a credit gives something")
    key = locks.lock_key(key)
    now = clock.now()
    said = {"who": who, "why": why, "form_id": form_id}
    row = UsageCost.objects.create(key=key, entry=Entry.CREDIT, amount=amount, counted_at=now, **said)
    budgets.spend(key.budgets.order_by("pk"), -amount, now)
    return row


def adjust(*, key: VirtualKey, amount: Decimal, who: str, why: str, form_id: UUID | None = None) -> UsageCost:
    """Correct what the key has spent by `amount` USD, in either direction, in the periods that run now.

    It is spending, so that the team's budgets count it too.

    Raises:
        ValueError: the amount is zero.
    """
    if not amount:
        raise ValueError("an adjustment changes something")
    key = locks.lock_key(key)
    now = clock.now()
    said = {"who": who, "why": why, "form_id": form_id}
    row = UsageCost.objects.create(key=key, team_id=key.team_id, entry=Entry.ADJUSTMENT, amount=amount, counted_at=now, **said)
    budgets.spend(budgets.binding(key), amount, now)
    return row


def count(budget: Budget) -> None:
    """Have a new budget count what its owner holds and spent since the period began that runs now.

    Belongs inside the transaction that locked the owner: nothing moves between what is read here and what is written.
    """
    now = clock.now()
    starts_at, ends_at = budgets.period_of(budget, now)
    rows = Q(key_id=budget.key_id) if budget.team_id is None else Q(team_id=budget.team_id)
    rows &= Q(counted_at__gte=starts_at) if ends_at is None else Q(counted_at__gte=starts_at, counted_at__lt=ends_at)
    sums = dict(UsageCost.objects.filter(rows).order_by().values_list("entry").annotate(Sum("amount")))
    held, spent = (sum((EFFECTS[entry][counter] * amount for entry, amount in sums.items()), Decimal(0)) for counter in (0, 1))
    if sums:
        budgets.begin(budget, now, held=held, spent=spent)


def _move(row: UsageCost, *, held: Decimal = Decimal(0), spent: Decimal = Decimal(0)) -> None:
    budgets.move(key_id=row.key_id, team_id=row.team_id, counted_at=row.counted_at, held=held, spent=spent)


def _following(earlier: UsageCost, entry: UsageCost.Entry, amount: Decimal) -> UsageCost:
    """A later row of the same task."""
    return UsageCost(
        key_id=earlier.key_id,
        team_id=earlier.team_id,
        counted_at=earlier.counted_at,
        task_id=earlier.task_id,
        task_kind=earlier.task_kind,
        model=earlier.model,
        entry=entry,
        amount=amount,
    )
