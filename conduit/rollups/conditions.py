"""What can be wrong with roll-ups."""

from datetime import timedelta

from conduit import clock, conditions
from conduit.conditions import Condition, Severity
from conduit.conditions.registry import Findings
from conduit.rollups import registry

# What is counted is a second or two old; after an upgrade, or an absence of control, much older for a while.
BEHIND_SECONDS = 60


def _behind() -> Findings:
    since = clock.now() - timedelta(seconds=BEHIND_SECONDS)
    lefts = ((rollup.name, rollup.first_left()) for rollup in registry.registered() if rollup.first_left)
    return {name: f"What was written from {left:%Y-%m-%d %H:%M} UTC on is not counted." for name, left in lefts if left and left < since}


BEHIND = Condition(
    name="roll_ups",
    severity=Severity.NOTICE,
    says="The console's figures are behind: charts and sums lack what is not counted yet.",
    found_by=f"Rows are older than {BEHIND_SECONDS} seconds and not counted, or counting them failed.",
    what_to_do="Wait while it catches up, such as after an upgrade. If it stays, see the log of `control`, and that no transaction is held "
    "open for long. Videos are made all the same, and no event is forgotten meanwhile.",
    look=_behind,
)


def report(name: str, error: Exception | None) -> None:
    """Say how counting of that kind went just now."""
    conditions.report(BEHIND.name, subject=name, detail=f"Counting failed ({type(error).__name__})." if error else None)
