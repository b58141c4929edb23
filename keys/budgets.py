"""Budgets: what a key, or the keys of a team together, may spend in a period.

Held and spent money count alike. Each period of a budget is a row of counters (BudgetWindow). A hold adds to all that
bind its key, and is refused when one would pass its limit; the same windows are moved when the hold is resolved, however
much later that is. Rows are always locked in the order of their budgets, so that no two tasks wait for each other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Round
from django.utils import timezone

from conduit.api.errors import ApiError
from keys.models import Budget, BudgetAlert, BudgetWindow, Period, VirtualKey

# When a budget's period is used up so far, in percent, the console hears of it.
THRESHOLDS = (50, 75, 90)
# The one period of a budget that never resets begins here.
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
# Digits after the point of every amount; SQLite counts in floats, so that sums are rounded to what they stand for.
DIGITS = 4


class InsufficientQuota(ApiError):
    """402: a budget has less left than the request costs."""

    status, type, code = 402, "insufficient_quota", "insufficient_quota"


@dataclass(frozen=True)
class BudgetState:
    """A budget in the period that runs now. Amounts are USD."""

    budget: Budget
    limit: Decimal  # what holds now: the amount, or what it is raised to
    raised: bool
    held: Decimal
    spent: Decimal
    starts_at: datetime | None  # None: it has no periods
    resets_at: datetime | None

    @property
    def left(self) -> Decimal:
        return max(Decimal(0), self.limit - self.held - self.spent)


# ---- Periods ---------------------------------------------------------------------------------------------------------


def name_of(*, period: str, time_zone: str = "UTC", **_: object) -> tuple[str, str]:
    """What an owner's budgets are told apart by. A total has no days, so its time zone makes it no other budget."""
    return period, "" if period == Period.TOTAL else time_zone


def check_time_zone(name: str) -> None:
    """Raises ValidationError for what is no IANA time zone."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # a name that is unknown; one with dots or a NUL; one that is a folder
        raise ValidationError(f"{name!r} is not a time zone: use a name such as Europe/Berlin or UTC.") from None


def period_of(budget: Budget, now: datetime) -> tuple[datetime, datetime | None]:
    """When the period that holds `now` began, and when the next one does (None: never). Both in UTC.

    Days begin at midnight in the budget's zone: at the first one where clocks show it twice, at the moment that clocks
    jump where they skip it.
    """
    zone = ZoneInfo(budget.time_zone)
    today = now.astimezone(zone).date()
    match budget.period:
        case Period.DAILY:
            first, following = today, today + timedelta(days=1)
        case Period.WEEKLY:
            first = today - timedelta(days=today.weekday())
            following = first + timedelta(days=7)
        case Period.MONTHLY:
            first = today.replace(day=1)
            following = (first + timedelta(days=31)).replace(day=1)
        case _:
            return ALWAYS, None
    return _midnight(first, zone), _midnight(following, zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def limit_of(budget: Budget, now: datetime) -> Decimal:
    """USD that the budget allows now: a raise counts until its end, and never lowers."""
    if budget.raised_to is not None and budget.raised_until is not None and now < budget.raised_until:
        return max(budget.amount, budget.raised_to)
    return budget.amount


# ---- Reading ---------------------------------------------------------------------------------------------------------


def binding(key: VirtualKey) -> QuerySet[Budget]:
    """The budgets that a hold of this key counts against, in the order in which they are locked."""
    owned = Q(key_id=key.pk)
    if key.team_id is not None:
        owned |= Q(team_id=key.team_id)
    return Budget.objects.filter(owned).order_by("pk")


def of(key: VirtualKey, now: datetime | None = None) -> list[BudgetState]:
    """How the key's and its team's budgets stand, in two queries."""
    return states(binding(key), now)


def states(budgets: Iterable[Budget], now: datetime | None = None) -> list[BudgetState]:
    """How these budgets stand, in one query for their counters."""
    moment = now or timezone.now()
    found = list(budgets)
    starts = {budget.pk: period_of(budget, moment)[0] for budget in found}
    windows = BudgetWindow.objects.filter(budget_id__in=starts, starts_at__in=set(starts.values()))
    current = {window.budget_id: window for window in windows if window.starts_at == starts[window.budget_id]}
    return [_state(budget, current.get(budget.pk), moment) for budget in found]


def _state(budget: Budget, window: BudgetWindow | None, now: datetime) -> BudgetState:
    starts_at, resets_at = period_of(budget, now)
    limit = limit_of(budget, now)
    return BudgetState(
        budget=budget,
        limit=limit,
        raised=limit > budget.amount,
        held=window.held if window else Decimal(0),
        spent=window.spent if window else Decimal(0),
        starts_at=starts_at if resets_at else None,
        resets_at=resets_at,
    )


# ---- Moving money: all of it belongs inside the transaction that writes the ledger rows ------------------------------------


def take(key: VirtualKey, amount: Decimal) -> list[int]:
    """Add a hold of `amount` USD to every budget that binds the key; the ids of the windows that it moved.

    Raises:
        InsufficientQuota: one of them has less left. What was added goes with the transaction.
    """
    now = timezone.now()
    # Locked against a change of their amounts; inserts of rows that only point to them go on.
    budgets = list(binding(key).select_for_update(no_key=True))
    windows = _add(budgets, now, held=amount)
    found = [_state(budget, window, now) for budget, window in zip(budgets, windows, strict=True)]
    if short := [state for state in found if state.held + state.spent > state.limit]:
        raise _refusal(short, amount)
    _alert(windows, found, amount)
    return [window.pk for window in windows]


def charge(key: VirtualKey, amount: Decimal) -> list[int]:
    """Add `amount` USD (negative: take back) to what the key's budgets count as spent now, whatever their limits."""
    now = timezone.now()
    budgets = list(binding(key).select_for_update(no_key=True))
    windows = _add(budgets, now, spent=amount)
    _alert(windows, [_state(budget, window, now) for budget, window in zip(budgets, windows, strict=True)], amount)
    return [window.pk for window in windows]


def move(window_ids: Sequence[int], *, held: Decimal = Decimal(0), spent: Decimal = Decimal(0)) -> None:
    """Change the counters of these windows by so many USD; those of a budget that was deleted are gone, and passed over."""
    if not window_ids:
        return
    windows = BudgetWindow.objects.select_for_update(no_key=True).filter(pk__in=window_ids).order_by("budget_id")
    locked = list(windows.values_list("pk", flat=True))
    BudgetWindow.objects.filter(pk__in=locked).update(
        held=Round(F("held") + held, precision=DIGITS), spent=Round(F("spent") + spent, precision=DIGITS)
    )


def _add(budgets: Sequence[Budget], now: datetime, *, held: Decimal = Decimal(0), spent: Decimal = Decimal(0)) -> list[BudgetWindow]:
    """Add to the windows of now, making those that are new: one statement, and they come back as they then stand."""
    if not budgets:
        return []
    ops = connection.ops
    amounts = [ops.adapt_decimalfield_value(amount, max_digits=12, decimal_places=DIGITS) for amount in (held, spent)]
    rows = [[budget.pk, ops.adapt_datetimefield_value(period_of(budget, now)[0]), *amounts] for budget in budgets]
    found = BudgetWindow.objects.raw(
        f"""
        INSERT INTO keys_budgetwindow (budget_id, starts_at, held, spent) VALUES {", ".join(["(%s, %s, %s, %s)"] * len(rows))}
        ON CONFLICT (budget_id, starts_at) DO UPDATE SET
            held = ROUND(keys_budgetwindow.held + excluded.held, {DIGITS}),
            spent = ROUND(keys_budgetwindow.spent + excluded.spent, {DIGITS})
        RETURNING id, budget_id, starts_at, held, spent
        """,  # noqa: S608 - placeholders and a constant
        [value for row in rows for value in row],
    )
    by_budget = {window.budget_id: window for window in found}
    return [by_budget[budget.pk] for budget in budgets]


def _alert(windows: Sequence[BudgetWindow], found: Sequence[BudgetState], amount: Decimal) -> None:
    """Write an alert for each threshold that this movement passed; one that was passed before keeps its first."""
    alerts = [
        BudgetAlert(window=window, percent=percent)
        for window, state in zip(windows, found, strict=True)
        for percent in THRESHOLDS
        if state.held + state.spent - amount < state.limit * percent / 100 <= state.held + state.spent
    ]
    if alerts:
        BudgetAlert.objects.bulk_create(alerts, ignore_conflicts=True)


# ---- Words -----------------------------------------------------------------------------------------------------------


def _refusal(short: Sequence[BudgetState], amount: Decimal) -> InsufficientQuota:
    """What the caller is told: of the budgets that lack money, the one that lacks it longest."""
    state = max(short, key=lambda state: state.resets_at or datetime.max.replace(tzinfo=UTC))
    budget = state.budget
    left = max(Decimal(0), state.limit - (state.held + state.spent - amount))
    whose = "This key's" if budget.key_id is not None else "The team's"
    kind = "total" if state.resets_at is None else budget.period
    return InsufficientQuota(
        f"{whose} {kind} budget of {usd(state.limit)} has {usd(left)} left and this request costs {usd(amount)}. "
        f"{_reset(state)}; your quota can be raised by an administrator."
    )


def _reset(state: BudgetState) -> str:
    if state.resets_at is None:
        return "It does not reset"
    zone = state.budget.time_zone
    return f"The budget resets at {state.resets_at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone}"


def usd(amount: Decimal) -> str:
    """An amount for people: cents, and what is finer only where there is any."""
    cents = amount.quantize(Decimal("0.01"))
    return f"{cents if cents == amount else amount.quantize(Decimal('0.0001'))} USD"
