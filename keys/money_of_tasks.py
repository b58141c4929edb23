"""What the ledger says of single tasks, read as plain rows: there can be millions."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from keys.ledger import Entry
from keys.models import UsageCost

ZERO = Decimal(0)


class Row(NamedTuple):
    """What is read of a ledger row."""

    task_id: UUID | None
    entry: str
    amount: Decimal
    counted_at: datetime
    key_id: int
    team_id: int | None
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
        if len({(row.key_id, row.team_id, row.currency, row.counted_at) for row in self.rows}) > 1:
            yield "has rows of different keys, teams, currencies or periods"


def accounts_of(task_ids: Collection[UUID]) -> dict[UUID, Account]:
    """What the ledger says of each of these tasks. One query."""
    accounts = {task_id: Account(task_id) for task_id in task_ids}
    rows = UsageCost.objects.filter(task_id__in=accounts, entry__in=UsageCost.ONCE_PER_TASK).order_by("id")
    for row in map(Row._make, rows.values_list(*Row._fields)):
        if row.task_id is not None:
            accounts[row.task_id].rows.append(row)
    return accounts
