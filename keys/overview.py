"""Keys and teams as those who run the place look at them: found, in order, each with its money and its work.

A page of them costs the same number of queries however many there are. What was spent comes from roll-ups (keys.rollups): it may be a
second or two old.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, DecimalField, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from conduit import clock
from keys import budgets, rollups, work
from keys.budget_uses import used_up_at
from keys.budgets import BudgetState
from keys.models import Budget, Team, VirtualKey
from keys.presentation import state_of

ZERO = Decimal(0)
STATES = ("active", "disabled", "expired", "deleted")


@dataclass(frozen=True)
class BudgetLine:
    """What a budget has left."""

    state: BudgetState
    used_up_at: datetime | None  # at the period's pace; None: not before it resets, or nobody knows

    @property
    def whose(self) -> str:
        return "key" if self.state.budget.key_id else "team"


@dataclass(frozen=True)
class Row:
    """A key or a team. `spent`: USD since the month (UTC) began, without what was refunded."""

    owner: Any
    state: str  # of a key: keys.presentation.state_of
    spent: Decimal
    in_flight: int  # tasks
    budgets: list[BudgetLine]


# ---- Finding ---------------------------------------------------------------------------------------------------------


def keys(*, text: str = "", state: str = "", team_id: int | None = None) -> QuerySet[VirtualKey]:
    """Those whose name, secret's start or team holds the text, newest first. Without a `state` all but the deleted ones."""
    found = VirtualKey.objects.select_related("team")
    found = in_state(found, state) if state else found.filter(deleted_at=None)
    if team_id is not None:
        found = found.filter(team=team_id)
    for word in text.split():
        starts = Q(pk__in=VirtualKey.objects.filter(secrets__prefix__startswith=word).values("pk"))
        found = found.filter(Q(name__icontains=word) | Q(team__name__icontains=word) | starts)
    return found.order_by("-pk")


def in_state(found: QuerySet[VirtualKey], state: str) -> QuerySet[VirtualKey]:
    """As keys.presentation.state_of tells them."""
    living, over = found.filter(deleted_at=None), Q(expires_at__lte=clock.now())
    return {
        "active": living.filter(enabled=True).exclude(over),
        "disabled": living.filter(enabled=False),
        "expired": living.filter(over, enabled=True),
        "deleted": found.exclude(deleted_at=None),
    }[state]


def teams(*, text: str = "") -> QuerySet[Team]:
    """Those whose name holds the text, by name; each with the number of its keys that are not deleted."""
    # Beside each team and not joined to it: what a team spent would else be added up once for each of its keys.
    keys_of = VirtualKey.objects.filter(team=OuterRef("pk"), deleted_at=None).order_by().values("team")
    found = Team.objects.annotate(living=Coalesce(Subquery(keys_of.annotate(count=Count("pk")).values("count")), 0))
    for word in text.split():
        found = found.filter(name__icontains=word)
    return found.order_by("name")


def dearest_first(found: QuerySet[Any]) -> QuerySet[Any]:
    """Those first that spent most since the month began."""
    of = _column(found.model)
    money = rollups.of_month(clock.now().date()).filter(**{of: OuterRef("pk")}).order_by().values(of)
    spent = Subquery(money.annotate(spent=Sum(F("charged") - F("refunded"))).values("spent"))
    priced: QuerySet[Any] = found.annotate(spent=Coalesce(spent, ZERO, output_field=DecimalField()))
    return priced.order_by("-spent", "-pk")


def lately_used_first(found: QuerySet[VirtualKey]) -> QuerySet[VirtualKey]:
    return found.order_by(F("last_used_at").desc(nulls_last=True), "-pk")


# ---- Showing ---------------------------------------------------------------------------------------------------------


def rows(owners: Sequence[VirtualKey] | Sequence[Team]) -> list[Row]:
    """Each with what it spends and does, in four queries for all."""
    if not owners:
        return []
    now, of, ids = clock.now(), _column(type(owners[0])), [owner.pk for owner in owners]
    lines = defaultdict(list)
    for line in _lines(Budget.objects.filter(**{f"{of}__in": ids}).order_by("pk"), now):
        lines[getattr(line.state.budget, of)].append(line)
    spent = _spent(of, ids, now)
    active = work.current().in_flight_of(of, ids)
    return [
        Row(
            owner=owner,
            state=state_of(owner) if isinstance(owner, VirtualKey) else "",
            spent=spent.get(owner.pk, ZERO),
            in_flight=active.get(owner.pk, 0),
            budgets=lines[owner.pk],
        )
        for owner in owners
    ]


def row_of(key: VirtualKey) -> Row:
    """One key, with the budgets of its team beside its own."""
    now = clock.now()
    spent = _spent("key_id", [key.pk], now).get(key.pk, ZERO)
    return Row(key, state_of(key), spent, work.current().in_flight(key), _lines(budgets.binding(key), now))


def _lines(found: QuerySet[Budget], now: datetime) -> list[BudgetLine]:
    return [BudgetLine(state, used_up_at(state, now)) for state in budgets.states(found, now)]


def _spent(of: str, ids: Sequence[int], now: datetime) -> dict[int, Decimal]:
    month = rollups.of_month(now.date()).filter(**{f"{of}__in": ids})
    summed = month.order_by().values_list(of).annotate(Sum("charged"), Sum("refunded"))
    # SQLite sums in floating point: the four decimals bring the exact sum back.
    return {pk: round(Decimal(charged), 4) - round(Decimal(refunded), 4) for pk, charged, refunded in summed}


def _column(model: type) -> str:
    return "key_id" if model is VirtualKey else "team_id"
