"""What is told of money (conduit.metrics)."""

from collections.abc import Iterator, Sequence

from conduit.metrics import Count, Gauge, Reading, Sample
from conduit.metrics.totals import Totals
from keys import budget_uses
from keys.budget_uses import NEAR
from keys.models import UsageCost

Entry = UsageCost.Entry

MONEY = Count("conduit_money_usd_total", "What the entries of the ledger came to, by their kind.", ("entry", "model"))
BUDGETS_NEAR = Gauge("conduit_budgets_nearly_used", "Budgets of which at least so many percent are held or spent.", ("percent",))

_MARKS = (NEAR, 95, 99, 100)


def total(costs: Sequence[UsageCost]) -> None:
    """Add rows of the ledger that nobody has counted yet."""
    totals = Totals()
    for cost in costs:
        entry = str(cost.entry)
        if entry == Entry.ADJUSTMENT:  # alone may be less than nothing
            entry += "_up" if cost.amount >= 0 else "_down"
        totals.add(MONEY, entry, cost.model, amount=abs(cost.amount))
    totals.write()


def _read() -> Iterator[Sample]:
    uses = budget_uses.near()
    for mark in _MARKS:
        yield BUDGETS_NEAR.of(str(mark), value=sum(use.percent >= mark for use in uses))


STANDING = Reading("budgets", (BUDGETS_NEAR,), _read)
