"""What the doctor asks of money."""

from collections.abc import Iterator

from conduit.conditions import Severity
from conduit.doctor import Finding
from keys.reconciliation import reconcile

SHOWN = 5


def ledger_adds_up() -> Iterator[Finding]:
    rows, found = reconcile()
    for difference in found[:SHOWN]:
        yield Finding(
            f"The ledger does not add up: {difference}",
            Severity.DEGRADED,
            "Keep a copy of the database and tell the people who maintain Conduit: this is a fault of its own.",
        )
    if len(found) > SHOWN:
        yield Finding(
            f"The ledger has {len(found) - SHOWN} differences more.", Severity.DEGRADED, "`manage.py check_ledger` prints all of them."
        )
    if not found:
        yield Finding(f"The ledger adds up: {rows} rows.")
