"""What was used in a span of time: sums of ledger rows, each row counted once, whatever they are grouped by."""

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import TruncDate

from conduit import clock
from conduit.api.errors import InvalidRequest
from conduit.api.formats import money, rfc3339
from conduit.api.pagination import parse_moment
from keys import work
from keys.models import Team, UsageCost, VirtualKey

Entry = UsageCost.Entry
DAYS_DEFAULT = 30
DAYS_MAX = 366

# Column of the answer: the ledger's entry that it sums, in USD.
AMOUNTS = {
    "estimated": Entry.HOLD,
    "charged": Entry.CAPTURE,
    "released": Entry.RELEASE,
    "refunded": Entry.REFUND,
    "credited": Entry.CREDIT,
    "adjusted": Entry.ADJUSTMENT,
}
# What tasks cost in the end. A task itself keeps what it was charged, whatever was refunded since.
NET = "net"
# Columns that a group is named by, each with its value in SQL, of the zone whose days are meant.
GROUPS: dict[str, dict[str, Any]] = {
    "day": {"day": lambda zone: TruncDate("created_at", tzinfo=zone)},
    "model": {"model": lambda zone: F("model")},
    "status": {"status": lambda zone: work.current().status_of()},
    "key": {"key_id": lambda zone: F("key_id"), "key_name": lambda zone: F("key__name")},
    # The team that the row counts in, whichever the key is in by now. The ledger knows it by its plain id.
    "team": {
        "team_id": lambda zone: F("team_id"),
        "team_name": lambda zone: Subquery(Team.objects.filter(pk=OuterRef("team_id")).values("name")),
    },
}
CONSUMER_GROUPS = ("day", "model", "status")


@dataclass(frozen=True)
class Span:
    """From a moment on, and before another; `zone` is the one whose days are meant."""

    start: datetime
    end: datetime
    zone: tzinfo = UTC

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "Span":
        """`from` and `to` of a query string; without them the last thirty days until now. A `to` without a time includes its day.

        Days, and moments without an offset, are those of `time_zone`, which is UTC unless it is named.

        Raises:
            InvalidRequest: a bad moment, or a span that is empty or longer than a year.
        """
        zone = parse_zone(query)
        end = parse_moment(query, "to", zone)
        if end and ":" not in query["to"]:  # a day
            if end.date() >= date.max - timedelta(days=1):
                raise InvalidRequest("`to` is out of range.", param="to")
            end = _days_later(end, 1, zone)
        end = end or clock.now()
        start = parse_moment(query, "from", zone) or _days_later(_midnight(end, zone), -DAYS_DEFAULT, zone)
        if start >= end:
            raise InvalidRequest(f"`from` must be before `to`: {rfc3339(start)} is not before {rfc3339(end)}.", param="from")
        if end - start > timedelta(days=DAYS_MAX):
            raise InvalidRequest(f"`from` and `to` may be at most {DAYS_MAX} days apart.", param="from")
        return cls(start, end, zone)


@dataclass(frozen=True)
class Usage:
    """A report: `rows` hold the group's columns, `tasks` (created in the span) and the amounts in USD.

    Of `model` it is the name that was asked for, alias or not: what the ledger kept, and what the task shows.
    """

    span: Span
    group_by: str
    rows: list[dict[str, Any]]

    @property
    def columns(self) -> list[str]:
        return [*GROUPS[self.group_by], "tasks", *AMOUNTS, NET]

    def total(self) -> dict[str, Any]:
        amounts = {name: sum((row[name] for row in self.rows), Decimal(0)) for name in (*AMOUNTS, NET)}
        return {"tasks": sum(row["tasks"] for row in self.rows), **amounts}


def parse_group_by(query: Mapping[str, str], options: tuple[str, ...]) -> str:
    group_by = query.get("group_by", "day")
    if group_by not in options:
        raise InvalidRequest(f"`group_by` must be one of {', '.join(options)}.", param="group_by")
    return group_by


def report(costs: QuerySet[UsageCost], span: Span, group_by: str) -> Usage:
    """Sum `costs` of the span by group, in one query."""
    names = {f"group_{name}": name for name in GROUPS[group_by]}  # a model's own column cannot be an alias
    grouped = (
        costs.filter(created_at__gte=span.start, created_at__lt=span.end)
        .order_by()
        .values(**{alias: GROUPS[group_by][name](span.zone) for alias, name in names.items()})
        .annotate(
            count_tasks=Count("id", filter=Q(entry=Entry.HOLD)),
            **{f"sum_{name}": Sum("amount", filter=Q(entry=entry), default=Decimal(0)) for name, entry in AMOUNTS.items()},
        )
        .order_by(*names)
    )
    return Usage(span, group_by, [_row(dict(found), names) for found in grouped])


def _row(found: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    group = {name: found[alias] if found[alias] != "" else None for alias, name in names.items()}
    # SQLite sums in floating point: the ledger's four decimals bring the exact sum back.
    amounts = {name: round(found[f"sum_{name}"], 4) for name in AMOUNTS}
    return group | {"tasks": found["count_tasks"], **amounts, NET: amounts["charged"] - amounts["refunded"]}


def asked_for_within(key: VirtualKey, span: timedelta) -> int:
    """How many tasks the key asked for in the last so long."""
    return UsageCost.objects.filter(key=key, entry=Entry.HOLD, created_at__gt=clock.now() - span).count()


def as_json(usage: Usage) -> dict[str, Any]:
    return {
        "object": "usage",
        "from": rfc3339(usage.span.start),
        "to": rfc3339(usage.span.end),
        "group_by": usage.group_by,
        "time_zone": str(usage.span.zone),
        "currency": "USD",
        "data": [_written(row) for row in usage.rows],
        "total": _written(usage.total()),
    }


def as_csv(usage: Usage) -> Iterator[list[str]]:
    """Lines of cells, the names of the columns first. Without a total: programs add up, and so does a spreadsheet."""
    yield [*usage.columns, "currency"]
    for row in map(_written, usage.rows):
        yield [*(cell(row[name]) for name in usage.columns), "USD"]


def _written(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: money(value) if isinstance(value, Decimal) else value.isoformat() if isinstance(value, date) else value
        for name, value in row.items()
    }


def cell(value: Any) -> str:
    """A spreadsheet would run a name that begins like a formula, in ASCII or in the wide letters of East Asia (NFKC)."""
    text = "" if value is None else str(value)
    begins = unicodedata.normalize("NFKC", text.lstrip(" ")[:1])
    return f"'{text}" if begins in _FORMULA_STARTS or (begins == "-" and not _is_number(text)) else text


_FORMULA_STARTS = ("=", "+", "@", "\t", "\r", "\n")


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdigit()


def parse_zone(query: Mapping[str, str]) -> tzinfo:
    """`time_zone` of a query string, by its IANA name.

    Raises:
        InvalidRequest: there is none of that name.
    """
    if "time_zone" not in query:
        return UTC
    name = query["time_zone"]
    try:
        if name not in available_timezones():
            raise ZoneInfoNotFoundError
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise InvalidRequest("`time_zone` must be an IANA time zone, such as Europe/Berlin or UTC.", param="time_zone") from None


def _midnight(moment: datetime, zone: tzinfo) -> datetime:
    return moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)


def _days_later(moment: datetime, days: int, zone: tzinfo) -> datetime:
    """So many days later by the zone's calendar, in which a day may have 23 or 25 hours; no earlier than there are days."""
    local = moment.astimezone(zone).replace(tzinfo=None)
    days = max(days, (datetime.min - local).days + 2)
    return (local + timedelta(days=days)).replace(tzinfo=zone).astimezone(UTC)
