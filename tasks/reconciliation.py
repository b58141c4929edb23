"""The tasks' part of reconciling the ledger: what each says of its money is what its rows say."""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from keys.ledger import Entry
from keys.money_of_tasks import Account
from tasks.models import ACTIVE, Status, Task

# Of failed tasks those alone may be charged whose money was settled later.
CHARGED_LATE = frozenset({"generation_timeout"})


class Row(NamedTuple):
    """What reconciling reads of a task."""

    pk: UUID
    key_id: int
    status: str
    price: Decimal
    charged: Decimal | None
    settles_later: bool
    error_code: str


def discrepancies(accounts: dict[UUID, Account]) -> Iterator[str]:
    unseen = set(accounts)
    for task in map(Row._make, Task.objects.order_by("pk").values_list(*Row._fields).iterator()):
        unseen.discard(task.pk)
        account = accounts.get(task.pk)
        yield from (f"task {task.pk} is {task.status} and {problem}" for problem in contradictions(task, account))
    yield from (f"task {task_id} is in the ledger and does not exist" for task_id in sorted(unseen))


def contradictions(task: Row | Task, account: Account | None) -> Iterator[str]:
    """What a task says of its money and its rows in the ledger do not."""
    if account is None or not account.rows:
        yield "has no hold"
        return
    held, captured = account.amount(Entry.HOLD), account.amount(Entry.CAPTURE)
    is_open = task.status in ACTIVE or task.settles_later
    if account.is_open != is_open:
        yield "its hold is open" if account.is_open else "its hold is resolved"
    if held != task.price:
        yield f"costs {task.price}, but {held} was held"
    if captured != task.charged:
        yield f"is charged {task.charged}, but {captured} was captured"
    if any(row.key_id != task.key_id for row in account.rows):
        yield "another key's money was moved"
    due = {Status.COMPLETED: task.price}.get(Status(task.status), captured)
    if task.status == Status.FAILED and task.error_code not in CHARGED_LATE:
        due = Decimal(0)
    if captured != due and not is_open:
        yield f"{captured} of {task.price} was captured"
