"""Reconciliation: whether the ledger's rows agree with each other, with the budgets' counters, and with what other rooms keep of them."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from django.db import connection, transaction

from conduit import clock
from keys import work
from keys.budgets import new_window
from keys.ledger import EFFECTS
from keys.models import Budget, BudgetWindow, UsageCost, VirtualKey
from keys.money_of_tasks import ZERO, Account, Row


@dataclass
class Counted:
    """A budget's periods, in their order, and what the ledger's rows say of each."""

    budget: Budget
    windows: list[BudgetWindow]

    def __post_init__(self) -> None:
        self.starts = [window.starts_at for window in self.windows]
        self.sums = [(ZERO, ZERO) for _ in self.windows]

    def add(self, row: Row) -> None:
        number = bisect_right(self.starts, row.counted_at) - 1
        if number < 0 or ((end := self.windows[number].ends_at) and row.counted_at >= end):
            return
        (held, spent), (to_held, to_spent) = self.sums[number], EFFECTS[row.entry]
        self.sums[number] = held + to_held * row.amount, spent + to_spent * row.amount

    def problems(self) -> Iterator[str]:
        for window, (held, spent) in zip(self.windows, self.sums, strict=True):
            for name, counted, summed in (("held", window.held, held), ("spent", window.spent, spent)):
                if counted != summed:
                    which = f"window {window.pk}" if window.pk else f"the window that is missing from {window.starts_at:%Y-%m-%d %H:%M}"
                    yield f"{which} of budget {self.budget.pk} counts {counted} {name}, and its rows sum to {summed}"


Owner = tuple[int | None, int | None]  # a key's id or a team's


def _counted() -> dict[Owner, list[Counted]]:
    """Each owner's budgets with all their periods, the one that runs now among them whether it is a row yet or not."""
    now = clock.now()
    windows: dict[int, list[BudgetWindow]] = defaultdict(list)
    for window in BudgetWindow.objects.order_by("starts_at").iterator():
        windows[window.budget_id].append(window)
    found: dict[Owner, list[Counted]] = defaultdict(list)
    for budget in Budget.objects.order_by("pk"):
        current = new_window(budget, now)
        rows = windows[budget.pk]
        if all(window.starts_at != current.starts_at for window in rows):
            rows = sorted([*rows, current], key=lambda window: window.starts_at)
        found[budget.key_id, budget.team_id].append(Counted(budget, rows))
    return found


def reconcile() -> tuple[int, list[str]]:
    """How many rows the ledger has, and what does not add up, all read as it was at one moment, beside a running stack too."""
    with one_moment():
        return UsageCost.objects.count(), list(discrepancies())


@contextmanager
def one_moment() -> Iterator[None]:
    """A transaction in which everything is read as it was at one moment, and nothing is written."""
    alone = not connection.in_atomic_block
    with transaction.atomic():
        if alone and connection.vendor == "postgresql":  # SQLite does so by itself
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def discrepancies() -> Iterator[str]:
    """One sentence for each thing that does not add up. Read it in a transaction that sees one state of the database."""
    accounts: dict[UUID, Account] = {}
    counted = _counted()
    for row in map(Row._make, UsageCost.objects.order_by("id").values_list(*Row._fields).iterator()):
        if row.task_id is not None:
            accounts.setdefault(row.task_id, Account(row.task_id)).rows.append(row)
        # A credit names no team: it counts in its key's budgets alone.
        owners: list[Owner] = [(row.key_id, None), (None, row.team_id)] if row.team_id is not None else [(row.key_id, None)]
        for owner in owners:
            for budget in counted.get(owner, ()):
                budget.add(row)
    for account in accounts.values():
        for problem in account.problems():
            yield f"task {account.task_id} {problem}"
    for budgets in counted.values():
        for budget in budgets:
            yield from budget.problems()
    for key_id in VirtualKey.objects.filter(budgeted=False, budgets__isnull=False).order_by("pk").values_list("pk", flat=True).distinct():
        yield f"key {key_id} has budgets and does not say so: they would not bind it"
    yield from work.current().discrepancies(accounts)
