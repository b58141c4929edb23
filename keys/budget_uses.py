"""Budgets that are nearly used up, and when they will be at this pace."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Q

from conduit import clock
from keys import budgets
from keys.budgets import BudgetState
from keys.models import Budget, BudgetAlert, Period, Team, VirtualKey

# From so many percent of its limit on a budget is named: the last threshold, of which an alert tells.
NEAR = max(budgets.THRESHOLDS)
LONGEST_PERIOD = timedelta(days=32)
# Of a period that has only begun nobody knows the pace.
PACE_AFTER = timedelta(hours=1)


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
    """Those of keys and teams of which NEAR percent are used, most of it first. Five queries, which read those that came so far at all."""
    now = now or clock.now()
    live = Budget.objects.filter(Q(key__deleted_at=None, key__isnull=False) | Q(team__isnull=False))
    found = live.filter(pk__in=_once_near(now)).select_related("key", "team")
    return sorted(
        (use for use in uses(found, now) if use.used * 100 >= use.limit * NEAR),
        key=lambda use: (-use.percent, use.owner_name, use.budget_id),
    )


def _once_near(now: datetime) -> set[int]:
    """Budgets that came so far in a period that may still run, by their alerts; and those whose raise has ended, of which none tells."""
    lately = now - LONGEST_PERIOD
    alerts = BudgetAlert.objects.filter(percent=NEAR, created_at__gte=lately).values_list("window__budget", flat=True)
    without_end = Budget.objects.filter(period=Period.TOTAL, windows__alerts__percent=NEAR).values_list("pk", flat=True)
    raised = Budget.objects.filter(raised_until__range=(lately, now)).values_list("pk", flat=True)
    return {pk for found in (alerts, without_end, raised) for pk in found}


def uses(of: Iterable[Budget], now: datetime | None = None) -> list[BudgetUse]:
    """How these budgets stand, in one query where they came with their owners."""
    now = now or clock.now()
    return [_use(state, now) for state in budgets.states(of, now)]


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
