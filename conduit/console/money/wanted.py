"""What an address of the money pages asks for: a span of days, whose money, and by what it is grouped."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from conduit import clock
from conduit.api.pagination import parse_row_id
from conduit.console.tasks.addresses import search_for, tasks_address
from keys.models import Team, VirtualKey
from videos.money import BY, Wanted

DAYS_MAX = 366
SPANS = {
    "today": "Today",
    "7d": "7 days",
    "30d": "30 days",
    "month": "This month",
    "last-month": "Last month",
    "90d": "90 days",
    "year": "This year",
}
DEFAULT = "month"
# Parts of an address that a named span takes the place of.
OWN_DAYS: dict[str, str | None] = {"from": None, "to": None}
MODEL_MAX = 100


@dataclass(frozen=True)
class Asked:
    """An address that was read. `problem`: what could not be, in a sentence; the default span stands in for it."""

    span: str  # a name of SPANS; empty: days of their own
    wanted: Wanted
    by: str
    key: VirtualKey | None
    team: Team | None
    problem: str = ""

    def query(self, **changed: str | None) -> str:
        """The address's own query with some of it changed; None leaves a part out."""
        days = {"span": self.span} if self.span else {"from": f"{self.wanted.first}", "to": f"{self.wanted.last}"}
        whose = {"key": _id(self.wanted.key_id), "team": _id(self.wanted.team_id), "model": self.wanted.model}
        parts: dict[str, str | None] = {**days, **whose, "by": self.by, **changed}
        return urlencode({name: value for name, value in parts.items() if value})

    def narrowed(self, key: Any) -> Wanted:
        """The same of one line alone: one day, key, team or model."""
        match self.by:
            case "day":
                return replace(self.wanted, first=key, last=key)
            case "key":
                return replace(self.wanted, key_id=key)
            case "team":
                return replace(self.wanted, team_id=key)
        return replace(self.wanted, model=key)


def asked(request: HttpRequest) -> Asked:
    today = clock.now().date()
    span, first, last, problem = _days(request, today)
    key, team = _row(VirtualKey, request.GET.get("key", "")), _row(Team, request.GET.get("team", ""))
    model = request.GET.get("model", "").replace("\0", "")[:MODEL_MAX] or None
    by = request.GET.get("by", "")
    wanted = Wanted(first, last, key.pk if key else None, team.pk if team else None, model)
    return Asked(span, wanted, by if by in BY else "day", key, team, problem)


def _days(request: HttpRequest, today: date) -> tuple[str, date, date, str]:
    span = request.GET.get("span", "")
    texts = request.GET.get("from", ""), request.GET.get("to", "")
    if span in SPANS or not any(texts):
        span = span if span in SPANS else DEFAULT
        return span, *_named(span, today), ""
    first, last = map(_day, texts)
    problem = ""
    if first is None or last is None:
        problem = "Both days are needed, such as 2026-11-01 and 2026-11-30."
    elif first > last:
        problem = "The first day comes after the last."
    elif (last - first).days >= DAYS_MAX:
        problem = f"At most {DAYS_MAX} days can be looked at together."
    if problem or first is None or last is None:
        return DEFAULT, *_named(DEFAULT, today), problem
    return "", first, last, ""


def _named(span: str, today: date) -> tuple[date, date]:
    month = today.replace(day=1)
    match span:
        case "today":
            return today, today
        case "month":
            return month, today
        case "last-month":
            before = month - timedelta(days=1)
            return before.replace(day=1), before
        case "year":
            return today.replace(month=1, day=1), today
    return today - timedelta(days=int(span.removesuffix("d")) - 1), today


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 2000 <= found.year < 3000 else None


def _row(model: Any, text: str) -> Any:
    number = parse_row_id(text)
    return None if number is None else model.objects.filter(pk=number).first()


def _id(value: int | None) -> str | None:
    return None if value is None else str(value)


# ---- Where numbers lead to ---------------------------------------------------------------------------------------------


def tasks_of(wanted: Wanted) -> str:
    """The tasks that were created in those days."""
    days = f"{wanted.first}" if wanted.first == wanted.last else f"{wanted.first}..{wanted.last}"
    return tasks_address(search_for({"key": wanted.key_id, "team": wanted.team_id, "model": wanted.model, "created": days}))


def costs_of(wanted: Wanted, entry: str) -> str:
    """The rows of the ledger that were written in those days."""
    query = {
        "entry__exact": entry,
        "created_at__gte": f"{wanted.first}T00:00:00Z",
        "created_at__lt": f"{wanted.last + timedelta(days=1)}T00:00:00Z",
        "key__id__exact": wanted.key_id,
        "team_id": wanted.team_id,
        "model": wanted.model,
    }
    return f"{reverse('admin:keys_usagecost_changelist')}?{urlencode({name: value for name, value in query.items() if value is not None})}"
