"""Budgets that are nearly used up, and when they will be at this pace."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Case, DecimalField, F, Q, QuerySet, Value, When
from django.db.models.functions import Greatest

from conduit import clock
from keys import budgets
from keys.budgets import BudgetState
from keys.models import Budget, BudgetWindow, Period, Team, VirtualKey

# From this share of its limit on a budget is named.
NEAR = Decimal("0.9")
# Of a period that has only begun nobody knows the pace.
PACE_AFTER = timedelta(hours=1)
_ZERO = Decimal(0)


@dataclass(frozen=True)
class BudgetUse:
    """How a key's or a team's budget stands in the period that runs now. Amounts are USD."""

    budget_id: int
    owner: str  # key or team
    owner_id: int
    owner_name: str
    period: str
    time_zone: str
    limit: Decimal
    used: Decimal
    resets_at: datetime | None  # None: never
    used_up_at: datetime | None  # at the period's pace; None: not before it resets, or nobody knows

    @property
    def percent(self) -> int:
        return int(self.used * 100 / self.limit) if self.limit else 100


def near(now: datetime | None = None) -> list[BudgetUse]:
    """Those of keys and teams of which NEAR is used, most of it first. A query for each period and time zone that budgets have."""
    now = now or clock.now()
    live = Budget.objects.filter(Q(key__deleted_at=None, key__isnull=False) | Q(team__isnull=False))
    found: list[BudgetUse] = []
    for period, zone in live.order_by().values_list("period", "time_zone").distinct():
        starts_at, _ = budgets.period_of(Budget(period=period, time_zone=zone), now)
        of_period = live.filter(period=period, time_zone=zone)
        windows = _nearly_used(now).filter(starts_at=starts_at, budget__in=of_period).select_related("budget__key", "budget__team")
        found += uses([window.budget for window in windows], now)
    return sorted(found, key=lambda use: (-use.percent, use.owner_name, use.budget_id))


def uses(of: Iterable[Budget], now: datetime | None = None) -> list[BudgetUse]:
    """How these budgets stand, in one query where they came with their owners."""
    now = now or clock.now()
    return [_use(state, now) for state in budgets.states(of, now)]


def _nearly_used(now: datetime) -> QuerySet[BudgetWindow]:
    """Periods of which so much is used, each by what its budget allows now (keys.budgets.limit_of)."""
    raised = Q(budget__raised_until__gt=now)
    limit = Case(
        When(raised, then=Greatest(F("budget__amount"), F("budget__raised_to"))),
        default=F("budget__amount"),
        output_field=DecimalField(max_digits=20, decimal_places=4),
    )
    spent = Greatest(F("spent"), Value(_ZERO, output_field=DecimalField(max_digits=20, decimal_places=4)))
    return BudgetWindow.objects.annotate(limit=limit, used=F("held") + spent).filter(used__gte=F("limit") * NEAR, used__gt=0)


def _use(state: BudgetState, now: datetime) -> BudgetUse:
    budget = state.budget
    owner: VirtualKey | Team = budget.key or budget.team  # type: ignore[assignment] # the database holds one of them
    return BudgetUse(
        budget_id=budget.pk,
        owner="key" if budget.key_id else "team",
        owner_id=owner.pk,
        owner_name=owner.name,
        period=budget.period,
        time_zone=budget.time_zone,
        limit=state.limit,
        used=state.used,
        resets_at=state.resets_at,
        used_up_at=used_up_at(state, now),
    )


def used_up_at(state: BudgetState, now: datetime) -> datetime | None:
    """When nothing is left if as much is used as since the period began; the moment itself when nothing is left now."""
    if not state.left:
        return now
    began = state.window.starts_at if state.budget.period != Period.TOTAL else state.budget.created_at
    passed = now - began
    if passed < PACE_AFTER or not state.used:
        return None
    lasts = passed * float(state.left / state.used)
    if lasts > timedelta(days=3650) or (state.resets_at and now + lasts >= state.resets_at):
        return None
    return now + lasts
