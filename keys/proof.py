"""Proof that the ledger's rows agree with each other, with the budgets' counters, and with what other rooms keep of them."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from keys.ledger import EFFECTS, Entry
from keys.models import BudgetWindow, UsageCost

ZERO = Decimal(0)


class Row(NamedTuple):
    """What the proof reads of a ledger row: there can be millions."""

    task_id: UUID | None
    entry: str
    amount: Decimal
    windows: list[int]
    key_id: int
    currency: str


@dataclass
class Account:
    """What the ledger says of one task. Amounts are USD."""

    task_id: UUID
    rows: list[Row] = field(default_factory=list)

    def amount(self, entry: str) -> Decimal | None:
        return next((row.amount for row in self.rows if row.entry == entry), None)

    @property
    def is_open(self) -> bool:
        return self.amount(Entry.CAPTURE) is None

    def problems(self) -> Iterator[str]:
        held, captured = self.amount(Entry.HOLD), self.amount(Entry.CAPTURE)
        released, refunded = self.amount(Entry.RELEASE), self.amount(Entry.REFUND)
        if held is None:
            yield "has money moved without a hold"
        elif captured is None and (released is not None or refunded is not None):
            yield "has a release or a refund, but its hold is not resolved"
        elif captured is not None and captured + (released or ZERO) != held:
            yield f"held {held}, but captured {captured} and released {released or ZERO}"
        if (refunded or ZERO) > (captured or ZERO):
            yield f"was refunded {refunded} of {captured or ZERO}"
        if len({(row.key_id, row.currency, tuple(row.windows)) for row in self.rows}) > 1:
            yield "has rows of different keys, currencies or budgets"


# Another room's part: given each task's account, what contradicts it there.
Proof = Callable[[dict[UUID, Account]], Iterator[str]]
_proofs: list[Proof] = []


def register(proof: Proof) -> None:
    _proofs.append(proof)


def differences() -> Iterator[str]:
    """One sentence for each thing that does not add up. Read it in a transaction that sees one state of the database."""
    accounts: dict[UUID, Account] = {}
    held: dict[int, Decimal] = defaultdict(Decimal)
    spent: dict[int, Decimal] = defaultdict(Decimal)
    for row in map(Row._make, UsageCost.objects.order_by("id").values_list(*Row._fields).iterator()):
        if row.task_id is not None:
            accounts.setdefault(row.task_id, Account(row.task_id)).rows.append(row)
        to_held, to_spent = EFFECTS[row.entry]
        for window_id in row.windows:
            held[window_id] += to_held * row.amount
            spent[window_id] += to_spent * row.amount
    for account in accounts.values():
        for problem in account.problems():
            yield f"task {account.task_id} {problem}"
    for window in BudgetWindow.objects.order_by("id").iterator():
        for name, counted, summed in (("held", window.held, held[window.pk]), ("spent", window.spent, spent[window.pk])):
            if counted != summed:
                yield f"window {window.pk} of budget {window.budget_id} counts {counted} {name}, and its rows sum to {summed}"
    for proof in _proofs:
        yield from proof(accounts)
