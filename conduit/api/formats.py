"""How amounts and moments are written in every answer."""

from datetime import datetime
from decimal import Decimal


def money(amount: Decimal | None) -> str | None:
    """USD with four decimals."""
    return None if amount is None else f"{amount:.4f}"


def rfc3339(moment: datetime | None) -> str | None:
    """UTC, to the millisecond."""
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
