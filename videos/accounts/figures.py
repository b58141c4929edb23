"""Accounts with what they have in hand, as lists show them: in a fixed number of queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from conduit import clock
from videos.account_models import ProviderAccount
from videos.accounts import spending


@dataclass(frozen=True)
class Figures:
    """Of one account at a moment."""

    in_flight: int
    spent: Decimal  # USD of this month's jobs
    pace: float | None  # creates a minute; None: no limit is known


def figures_of(accounts: Sequence[ProviderAccount], now: datetime | None = None) -> dict[int, Figures]:
    """By id. Four queries."""
    now = now or clock.now()
    ids = [account.pk for account in accounts]
    in_flight, spent = spending.in_flight(ids, now), spending.spent(ids, now)
    return {
        account.pk: Figures(in_flight.get(account.pk, 0), spent.get(account.pk, Decimal(0)), account.pace_at(now)) for account in accounts
    }
