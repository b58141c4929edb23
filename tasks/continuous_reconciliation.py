"""Reconciling the ledger all the time, some tasks at each look: those of the newest events, and the next ones in a round of all tasks.

`manage.py check_ledger` and the doctor reconcile all of it at once, budgets too; that reads every row, and is nothing for each minute.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from uuid import UUID

from conduit.conditions import Condition, Severity
from conduit.conditions.models import Standing
from conduit.conditions.registry import Findings
from conduit.metrics import Gauge, Reading, Sample
from keys.money_of_tasks import Account, accounts_of
from keys.reconciliation import one_moment
from tasks.models import Task, TaskEvent
from tasks.reconciliation import Row, contradictions

# Tasks of each look, which comes every three seconds: of the round, and of the newest events.
ROUND, NEWEST = 300, 200
# Differences that are remembered: more of them say no more.
FOUND_MAX = 100


def discrepancies() -> Findings:
    """What does not add up, as far as it was looked at: by task."""
    with one_moment():
        newest = set(TaskEvent.objects.order_by("-pk").values_list("task_id", flat=True)[:NEWEST])
        found = _reconcile(newest | set(_round.next_ids()))
    for task_id, problem in found.items():
        if problem is None:
            _round.found.pop(str(task_id), None)
        elif len(_round.found) < FOUND_MAX:
            _round.found[str(task_id)] = f"The task {problem}."
    return dict(_round.found)


@dataclass
class _Round:
    """How far the round of all tasks has come. A process that begins takes over what was found: it is looked at first."""

    after: UUID | None = None
    found: dict[str, str] = field(default_factory=dict)
    has_begun: bool = False

    def next_ids(self) -> list[UUID]:
        if not self.has_begun:
            self.has_begun = True
            self.found = dict(Standing.objects.looked().filter(name=LEDGER.name).values_list("subject", "detail"))
        tasks = Task.objects.order_by("pk").values_list("pk", flat=True)
        ids = list((tasks.filter(pk__gt=self.after) if self.after else tasks)[:ROUND])
        self.after = ids[-1] if len(ids) == ROUND else None
        return [*ids, *(UUID(task_id) for task_id in self.found if task_id != "…")]


_round = _Round()


def _reconcile(task_ids: set[UUID]) -> dict[UUID, str | None]:
    """Of each task what contradicts its rows, or None."""
    accounts = accounts_of(task_ids)
    tasks = {row.pk: row for row in map(Row._make, Task.objects.filter(pk__in=task_ids).values_list(*Row._fields))}
    return {task_id: _problem(tasks.get(task_id), accounts[task_id]) for task_id in task_ids}


def _problem(task: Row | None, account: Account) -> str | None:
    return next(chain(account.problems(), contradictions(task, account)), None) if task else None


LEDGER = Condition(
    name="ledger",
    severity=Severity.DEGRADED,
    says="The ledger does not add up: a task is charged otherwise than its rows say.",
    found_by="The control process proves the tasks of the newest events, and 6,000 others a minute in turn.",
    what_to_do="Keep a copy of the database, run `manage.py check_ledger` for all of it, and tell the people who maintain Conduit: this "
    "is a fault of its own. Videos are made all the same.",
    look=discrepancies,
    leads_to="tasks/",
)
DIFFERENCES = Gauge("conduit_ledger_differences", "Tasks whose money does not add up, of those that were proven; 100 at most.")


def _read() -> Iterator[Sample]:
    yield DIFFERENCES.of(value=Standing.objects.looked().filter(name=LEDGER.name).count())


STANDING = Reading("ledger", (DIFFERENCES,), _read)
