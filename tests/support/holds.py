"""A hold as a create makes it, without the task."""

from typing import Any

from conduit import statements
from keys import ledger


def hold(**named: Any) -> None:
    """Reserve money (keys.ledger.holding), in this thread's transaction."""
    statements.do(*statements.run(ledger.holding(**named)))
