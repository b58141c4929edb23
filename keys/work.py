"""All that this room must know of the work that its keys pay for, told by the room that does it: `tasks` registers here."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db.models.expressions import BaseExpression

from keys.models import VirtualKey
from keys.money_of_tasks import Account


@dataclass(frozen=True)
class Work:
    status_of: Callable[[], BaseExpression]  # in SQL, the status of the task that a ledger row's `task_id` names
    in_flight: Callable[[VirtualKey], int]  # how many tasks of a key have not ended, in one query
    # The same of several, by their ids: of keys (`key_id`), or of the teams that tasks count in (`team_id`). In one query.
    in_flight_of: Callable[[str, Collection[int]], dict[int, int]]
    discrepancies: Callable[[dict[UUID, Account]], Iterator[str]]  # what contradicts the ledger, given what that says of each task


_registered: list[Work] = []


def register(work: Work) -> None:
    _registered[:] = [work]


def current() -> Work:
    return _registered[0]
