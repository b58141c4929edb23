"""What money came to, by steps of time, by day, key, team and model: added up of the ledger's rows by when they were written.

A tick does that (conduit.rollups): pages read counts, however long the ledger is. What is counted may be a second or two old.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any, Self

from django.db.models import QuerySet, Sum
from django.db.models.functions import TruncDate

from conduit import clock
from conduit.rollups.adding import Tally
from conduit.rollups.counting import Counter
from conduit.rollups.registry import RollUp
from conduit.rollups.steps import Step, in_months, until_moment
from keys import metrics
from keys.models import Team, UsageCost, VirtualKey
from keys.rollup_models import NO_TEAM, MoneyCount, MoneyOfDay, MoneyOfMonth

NAME = "ledger"
ZERO = Decimal(0)
Entry = UsageCost.Entry


@dataclass(frozen=True)
class Money:
    """What the ledger's entries of some time come to. USD, but for `tasks`: those that were created."""

    tasks: int = 0
    held: Decimal = ZERO  # reserved in that time, whatever became of it since
    charged: Decimal = ZERO
    released: Decimal = ZERO  # given back when a task ended
    refunded: Decimal = ZERO  # given back afterwards
    credited: Decimal = ZERO
    adjusted: Decimal = ZERO

    @property
    def net(self) -> Decimal:
        """What tasks cost in the end."""
        return self.charged - self.refunded

    def percent_of(self, margin: Decimal) -> int | None:
        """A margin as a share of what tasks cost in the end; None when they cost nothing."""
        return round(margin * 100 / self.net) if self.net > 0 else None

    def __add__(self, other: Self) -> "Money":
        return Money(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


@dataclass(frozen=True)
class DayOfMoney:
    """One day (UTC)."""

    day: date
    money: Money


@dataclass(frozen=True)
class Share:
    """What one key, team or model comes to. `id` is None for a model, and for the keys without a team."""

    id: int | None
    name: str
    money: Money


_SUMS = tuple(field.name for field in fields(Money))


# ---- Reading ---------------------------------------------------------------------------------------------------------


def total(since: datetime, until: datetime | None = None) -> Money:
    """From a moment on, before another: both where six hours begin (UTC), such as midnight. One query."""
    rows = MoneyCount.objects.filter(step=Step.SIX_HOURS, starts_at__gte=since)
    if until is not None:
        rows = rows.filter(starts_at__lt=until)
    return _money(rows.aggregate(**_sums()))


def total_until(since: datetime, until: datetime) -> Money:
    """From a midnight (UTC) until a moment, to ten minutes: of the last three days. One query."""
    return _money(MoneyCount.objects.filter(until_moment(since, until)).aggregate(**_sums()))


def of_days(
    first: date, last: date, *, key_id: int | None = None, team_id: int | None = None, model: str | None = None
) -> QuerySet[MoneyOfDay]:
    """The rows of these days, both included, of what is asked for; None is all. For those who group in a way of their own."""
    wanted = {"key_id": key_id, "team_id": team_id, "model": model}
    return MoneyOfDay.objects.filter(day__range=(first, last), **{name: value for name, value in wanted.items() if value is not None})


def of_days_by_months(
    first: date, last: date, *, key_id: int | None = None, team_id: int | None = None, model: str | None = None
) -> list[QuerySet[MoneyOfDay] | QuerySet[MoneyOfMonth]]:
    """The same days for those who do not group by day, in parts: whole months as such, a thirtieth of the rows, and the days that are left.

    Of ten thousand keys a year is as many rows as there are months; at most a month's days at each end are read one by one.
    """
    wanted = {name: value for name, value in (("key_id", key_id), ("team_id", team_id), ("model", model)) if value is not None}
    split = in_months(first, last, clock.now().date())
    parts: list[QuerySet[MoneyOfDay] | QuerySet[MoneyOfMonth]] = [
        MoneyOfDay.objects.filter(day__range=days, **wanted) for days in split.rest
    ]
    return [*parts, MoneyOfMonth.objects.filter(month__in=split.months, **wanted)] if split.months else parts


def of_days_in_all(first: date, last: date, *, model: str | None = None) -> QuerySet[MoneyCount]:
    """What all keys together come to on these days, both included: as many rows however many keys there are."""
    start, end = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (first, last + timedelta(days=1)))
    rows = MoneyCount.objects.filter(step=Step.SIX_HOURS, starts_at__gte=start, starts_at__lt=end)
    rows = rows.annotate(day=TruncDate("starts_at", tzinfo=UTC))
    return rows if model is None else rows.filter(model=model)


def of_month(month: date) -> QuerySet[MoneyOfMonth]:
    """The rows of the month that holds this day."""
    return MoneyOfMonth.objects.filter(month=month.replace(day=1))


def by_day(rows: QuerySet[MoneyOfDay] | QuerySet[MoneyCount]) -> list[DayOfMoney]:
    """The days of `of_days` or `of_days_in_all` on which something happened, the oldest first. One query."""
    return [DayOfMoney(row.pop("day"), _money(row)) for row in _summed(rows, "day").order_by("day")]


def by_key(*parts: QuerySet[MoneyOfDay] | QuerySet[MoneyOfMonth], limit: int | None = None) -> list[Share]:
    """What each key comes to of `of_days`, `of_month` or all of `of_days_by_months`, the dearest first. A query for each, and one."""
    shares = _by("key_id", parts, limit)
    names = _names(VirtualKey.objects.all(), (key_id for key_id, _ in shares))
    return [Share(key_id, names.get(key_id, f"key {key_id}"), money) for key_id, money in shares]


def by_team(*parts: QuerySet[MoneyOfDay] | QuerySet[MoneyOfMonth], limit: int | None = None) -> list[Share]:
    """What each team comes to of the same, the dearest first, and what belongs to none. A query for each, and one."""
    shares = _by("team_id", parts, limit)
    names = _names(Team.objects.all(), (team_id for team_id, _ in shares))
    return [Share(team_id or None, names.get(team_id, f"team {team_id}") if team_id else "", money) for team_id, money in shares]


def by_model(*parts: QuerySet[MoneyOfDay] | QuerySet[MoneyOfMonth] | QuerySet[MoneyCount]) -> list[Share]:
    """What each model comes to of any such rows, by the name that was asked for, the dearest first. A query for each."""
    return [Share(None, model, money) for model, money in _by("model", parts)]


def _by(name: str, parts: Sequence[QuerySet[Any]], limit: int | None = None) -> list[tuple[Any, Money]]:
    """The sums by a column, the dearest first. Of one part the database finds the first `limit`."""
    if len(parts) == 1:
        summed = _summed(parts[0], name).order_by("-sum_charged", "-sum_held", name)[:limit]
        return [(row.pop(name), _money(row)) for row in summed]
    sums: dict[Any, dict[str, Any]] = {}
    for row in chain.from_iterable(_summed(rows, name) for rows in parts):
        known = sums.setdefault(row.pop(name), row)
        if known is not row:
            for column, amount in row.items():
                known[column] += amount
    found = {key: _money(row) for key, row in sums.items()}
    return sorted(found.items(), key=lambda share: (-share[1].charged, -share[1].held, share[0]))[:limit]


def _summed(rows: QuerySet[Any], name: str) -> QuerySet[Any, dict[str, Any]]:
    summed: QuerySet[Any, dict[str, Any]] = rows.order_by().values(name).annotate(**_sums())
    return summed


def _sums() -> dict[str, Sum]:
    return {f"sum_{name}": Sum(name) for name in _SUMS}


def _money(row: dict[str, Any]) -> Money:
    """SQLite sums in floating point: the four decimals bring the exact sum back."""
    found = {name: row[f"sum_{name}"] or 0 for name in _SUMS}
    return Money(found.pop("tasks"), *(round(Decimal(found[name]), 4) for name in _SUMS[1:]))


def _names(rows: QuerySet[Any], ids: Iterable[int]) -> dict[int, str]:
    return dict(rows.filter(pk__in=list(ids)).values_list("pk", "name"))


# ---- Counting --------------------------------------------------------------------------------------------------------

_COLUMNS = {
    Entry.HOLD: "held",
    Entry.CAPTURE: "charged",
    Entry.RELEASE: "released",
    Entry.REFUND: "refunded",
    Entry.CREDIT: "credited",
    Entry.ADJUSTMENT: "adjusted",
}


def _count(costs: Sequence[UsageCost]) -> None:
    now = clock.now()
    steps = Tally(MoneyCount, ("step", "starts_at", "model"), _SUMS)
    days = Tally(MoneyOfDay, ("day", "key_id", "team_id", "model"), _SUMS)
    months = Tally(MoneyOfMonth, ("month", "key_id", "team_id", "model"), _SUMS)
    for cost in costs:
        entry = Entry(cost.entry)
        amounts: dict[str, int | Decimal] = {_COLUMNS[entry]: cost.amount, "tasks": int(entry is Entry.HOLD)}
        steps.add_to_steps(cost.created_at, now, cost.model, **amounts)
        day = cost.created_at.astimezone(UTC).date()
        days.add(day, cost.key_id, cost.team_id or NO_TEAM, cost.model, **amounts)
        months.add(day.replace(day=1), cost.key_id, cost.team_id or NO_TEAM, cost.model, **amounts)
    for tally in (steps, days, months):
        tally.write()


LEDGER = Counter(
    name=NAME,
    rows=lambda: UsageCost.objects.only("entry", "amount", "model", "key_id", "team_id", "created_at"),
    count=_count,
    moment="created_at",
    total=metrics.total,
)

_TABLES = (MoneyCount, MoneyOfDay, MoneyOfMonth)
ROLL_UP = RollUp(
    name=NAME,
    tables=_TABLES,
    roll_up=LEDGER.count_new,
    first_left=LEDGER.first_left,
    rebuild=lambda: LEDGER.count_anew(_TABLES),
)
