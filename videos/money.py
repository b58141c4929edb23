"""Money of a span of days: what consumers were charged beside what MiniMax bills, by day, key, team or model.

Read from roll-ups (keys.rollups, videos.rollups), today's part too, so that it costs the same however long the ledger is. Days are
UTC. What was charged belongs to the day on which a task ended, what is billed to the day on which MiniMax accepted the job.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from keys import rollups
from keys.models import Team, VirtualKey
from keys.rollups import Money, Share
from videos.rollups import Bill, bills_by, bills_of_days, bills_of_days_by_months

BY = ("day", "key", "team", "model")
# In what a bill is grouped for each.
_OF_BILLS = {"day": "day", "key": "key_id", "team": "team_id", "model": "model"}


@dataclass(frozen=True)
class Wanted:
    """Days, both included, and whose money; None is everybody's."""

    first: date
    last: date
    key_id: int | None = None
    team_id: int | None = None
    model: str | None = None

    @property
    def of(self) -> dict[str, Any]:
        return {"key_id": self.key_id, "team_id": self.team_id, "model": self.model}

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1)]


@dataclass(frozen=True)
class Line:
    """What one day, key, team or model comes to. USD, but for `money.tasks`."""

    key: Any  # the day, the id (0: no team), or the model's name
    name: str
    money: Money
    billed: Decimal

    @property
    def margin(self) -> Decimal:
        """What was charged and not refunded, less what MiniMax bills."""
        return self.money.net - self.billed

    @property
    def percent(self) -> int | None:
        """The margin as a share of what was charged; None when nothing was."""
        return self.money.percent_of(self.margin)


def lines(wanted: Wanted, by: str) -> list[Line]:
    """A line for each day of the span, or for each key, team or model that something happened of, the dearest first. Three to five queries.

    Of all keys together days and models are read without them, and otherwise only days by the day: a year of all keys is its months.
    """
    days = wanted.first, wanted.last
    of_all = wanted.key_id is None and wanted.team_id is None and by in ("day", "model")
    billed = bills_of_days(*days, **wanted.of) if of_all or by == "day" else bills_of_days_by_months(*days, **wanted.of)
    bills = {key: bill for (key,), bill in bills_by(billed, _OF_BILLS[by]).items()}
    if by == "day":
        rows = rollups.of_days_in_all(*days, model=wanted.model) if of_all else rollups.of_days(*days, **wanted.of)
        found = {day.day: day.money for day in rollups.by_day(rows)}
        return [Line(day, f"{day:%Y-%m-%d}", found.get(day, Money()), _billed(bills, day)) for day in wanted.days]
    parts: list[Any] = [rollups.of_days_in_all(*days, model=wanted.model)] if of_all else rollups.of_days_by_months(*days, **wanted.of)
    shares = {_key(share, by): share for share in _SHARES[by](*parts)}
    known = [Line(key, share.name, share.money, _billed(bills, key)) for key, share in shares.items()]
    return known + _billed_alone({key: bill for key, bill in bills.items() if key not in shares}, by)


def total(found: list[Line]) -> Line:
    """All of them together."""
    money, billed = Money(), Decimal(0)
    for line in found:
        money, billed = money + line.money, billed + line.billed
    return Line(None, "all", money, billed)


_SHARES: Mapping[str, Callable[..., list[Share]]] = {"key": rollups.by_key, "team": rollups.by_team, "model": rollups.by_model}


def _key(share: Share, by: str) -> Any:
    return share.name if by == "model" else share.id or 0


def _billed(bills: Mapping[Any, Bill], key: Any) -> Decimal:
    return bills[key].billed if key in bills else Decimal(0)


def _billed_alone(bills: Mapping[Any, Bill], by: str) -> list[Line]:
    """Of what MiniMax bills although the ledger moved nothing on those days: of tasks from the day before."""
    found = {key: bill.billed for key, bill in bills.items() if bill.billed}
    names = {} if by == "model" or not found else dict(_OWNERS[by].objects.filter(pk__in=list(found)).values_list("pk", "name"))
    return [Line(key, names.get(key, f"{by} {key}" if by != "model" else key) if key else "", Money(), found[key]) for key in found]


_OWNERS: Mapping[str, type[VirtualKey] | type[Team]] = {"key": VirtualKey, "team": Team}
