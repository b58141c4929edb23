"""Budgets: what a key, or the keys of a team together, may spend in a period.

Held and spent money count alike. Each period of a budget is a row of counters (BudgetWindow). A hold adds to all that
bind its key, and is refused when one would pass its limit; the periods in which it was taken are moved when it is resolved,
however much later that is, and whether their budgets were there already or not. A transaction that moves money holds the locks of
keys.locks, so that nothing here meets another writer.

More may be credited to a key than it spent in a period. The rest waits for what it spends later in that period: `spent` is
below zero until then, and counts as nothing spent. So a period never has more left than its limit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Round

from conduit import clock, statements
from conduit.api.errors import ApiError
from conduit.statements import Columns, Rows, Statement, Steps
from keys.models import Budget, BudgetAlert, BudgetWindow, Period, VirtualKey

# When a budget's period is used up so far, in percent, the console hears of it.
THRESHOLDS = (50, 75, 90)
# The one period of a budget that never resets begins here.
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
# Digits after the point of every amount; SQLite counts in floats, so that sums are rounded to what they stand for.
DIGITS = 4

_BUDGET, _WINDOW = Columns(Budget, "b"), Columns(BudgetWindow, "w")


class InsufficientQuota(ApiError):
    """402: a budget has less left than the request costs."""

    status, type, code = 402, "insufficient_quota", "insufficient_quota"


@dataclass(frozen=True)
class BudgetState:
    """A budget in the period that runs now. Amounts are USD."""

    budget: Budget
    window: BudgetWindow  # not a row yet where nothing has counted in it
    limit: Decimal  # what holds now: the amount, or what it is raised to
    raised: bool
    resets_at: datetime | None  # None: it has no periods

    @property
    def held(self) -> Decimal:
        return self.window.held

    @property
    def spent(self) -> Decimal:
        return self.window.spent

    @property
    def starts_at(self) -> datetime | None:
        return self.window.starts_at if self.resets_at else None

    @property
    def used(self) -> Decimal:
        """What counts against the limit: a credit of more than was spent gives nothing beyond it."""
        return self.held + max(Decimal(0), self.spent)

    @property
    def left(self) -> Decimal:
        return max(Decimal(0), self.limit - self.used)


# ---- Periods ---------------------------------------------------------------------------------------------------------


def name_of(*, period: str, time_zone: str = "UTC", **_: object) -> tuple[str, str]:
    """What an owner's budgets are told apart by. A total has no days, so its time zone makes it no other budget."""
    return period, "" if period == Period.TOTAL else time_zone


def check_time_zone(name: str) -> None:
    """Raises ValidationError for what is no IANA time zone."""
    if name not in _time_zones():
        raise ValidationError(f"{name!r} is not a time zone: use a name such as Europe/Berlin or UTC.")


@lru_cache
def _time_zones() -> frozenset[str]:
    """Those of the tzdata package, which every process has: a machine's own names (`localtime`) mean something else on the next."""
    return frozenset((files("tzdata") / "zones").read_text().split()) - {"Factory"}  # what a clock says that nobody has set


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


def may_bind(key: VirtualKey) -> bool:
    """Whether there may be any. Most keys have no budget of their own: those that say so, locked, need no query to know it."""
    return key.budgeted or key.team_id is not None


def binding_of(key: VirtualKey) -> Statement:
    """The same as a statement."""
    owned = "b.key_id = %s OR b.team_id = %s" if key.team_id is not None else "b.key_id = %s"
    owner = [key.pk, key.team_id] if key.team_id is not None else [key.pk]
    return Statement(f"SELECT {_BUDGET.sql} FROM {_BUDGET.source} WHERE {owned} ORDER BY b.id", owner, _BUDGET.fields)  # noqa: S608 - ours


def of(key: VirtualKey, now: datetime | None = None) -> list[BudgetState]:
    """How the key's and its team's budgets stand, in two queries."""
    return states(binding(key), now)


def states(budgets: Iterable[Budget], now: datetime | None = None) -> list[BudgetState]:
    """How these budgets stand, in one query for their counters."""
    moment = now or clock.now()
    found = list(budgets)
    starts = {budget.pk: period_of(budget, moment)[0] for budget in found}
    windows = BudgetWindow.objects.filter(budget_id__in=starts, starts_at__in=set(starts.values()))
    current = {window.budget_id: window for window in windows if window.starts_at == starts[window.budget_id]}
    return [_state(budget, current.get(budget.pk) or new_window(budget, moment), moment) for budget in found]


def new_window(budget: Budget, now: datetime) -> BudgetWindow:
    """The period that holds `now`, with nothing in it, not written."""
    starts_at, ends_at = period_of(budget, now)
    return BudgetWindow(budget=budget, starts_at=starts_at, ends_at=ends_at, held=Decimal(0), spent=Decimal(0))


def _state(budget: Budget, window: BudgetWindow, now: datetime) -> BudgetState:
    limit = limit_of(budget, now)
    return BudgetState(budget=budget, window=window, limit=limit, raised=limit > budget.amount, resets_at=period_of(budget, now)[1])


# ---- Moving money: all of it belongs inside the transaction that writes the ledger rows, with the locks of keys.locks ---------


def taking(key: VirtualKey, amount: Decimal, now: datetime, bound: Rows | None = None) -> Steps[list[Statement]]:
    """Add a hold of `amount` USD to every budget that binds the key: its own, and its team's; `bound` is what `binding_of` gave, if
    that was asked. Gives what is then to be written.

    Raises:
        InsufficientQuota: one of them has less left. What was added goes with the transaction.
    """
    if not may_bind(key):
        return []
    [rows] = [bound] if bound is not None else (yield [binding_of(key)])
    found = yield from _adding([_BUDGET.made_of(row) for row in rows], now, held=amount)
    if short := [state for state in found if state.used > state.limit]:
        raise _refusal(short, amount)
    return _alerts(found)


def spend(budgets: Iterable[Budget], amount: Decimal, now: datetime) -> None:
    """Add `amount` USD (negative: take back) to what these budgets count as spent now, whatever their limits."""
    _add(budgets, now, spent=amount)


def move(*, key_id: int, team_id: int | None, counted_at: datetime, held: Decimal = Decimal(0), spent: Decimal = Decimal(0)) -> None:
    """Change by so many USD what the key's and the team's budgets count in the periods that hold `counted_at`.

    A period that is not there yet counts the ledger's rows when it is made (keys.ledger.count).
    """
    owner = Q(budget__key_id=key_id)
    if team_id is not None:
        owner |= Q(budget__team_id=team_id)
    within = Q(starts_at__lte=counted_at) & (Q(ends_at=None) | Q(ends_at__gt=counted_at))
    BudgetWindow.objects.filter(owner & within).update(
        held=Round(F("held") + held, precision=DIGITS), spent=Round(F("spent") + spent, precision=DIGITS)
    )


def begin(budget: Budget, now: datetime, *, held: Decimal, spent: Decimal) -> None:
    """Give a new budget what its owner already holds and spent in the period that runs now, in USD."""
    _add([budget], now, held=held, spent=spent)


def alert(budget: Budget) -> None:
    """Tell of the thresholds of a limit that was changed."""
    found = [state for state in states([Budget.objects.get(pk=budget.pk)]) if state.window.pk]
    statements.do(*_alerts(found))


def _add(budgets: Iterable[Budget], now: datetime, *, held: Decimal = Decimal(0), spent: Decimal = Decimal(0)) -> None:
    """Add to the windows of now, and tell of thresholds."""
    found = statements.run(_adding(budgets, now, held=held, spent=spent))
    statements.do(*_alerts(found))


def _adding(
    budgets: Iterable[Budget], now: datetime, *, held: Decimal = Decimal(0), spent: Decimal = Decimal(0)
) -> Steps[list[BudgetState]]:
    """Add to the windows of now, making those that are new: one statement, and they come back as they then stand."""
    of = {budget.pk: budget for budget in budgets}
    if not of:
        return []
    values = [value for pk, budget in of.items() for value in (pk, *period_of(budget, now), held, spent)]
    [rows] = yield [Statement(_adding_to(len(of)), values, _WINDOW.fields)]
    return [_state(of[window.budget_id], window, now) for window in map(_WINDOW.made_of, rows)]


@lru_cache
def _adding_to(windows: int) -> str:
    return f"""
        INSERT INTO {_WINDOW.source.replace(" w", " AS w")} (budget_id, starts_at, ends_at, held, spent)
        VALUES {", ".join(["(%s, %s, %s, %s, %s)"] * windows)}
        ON CONFLICT (budget_id, starts_at) DO UPDATE SET
            held = ROUND(w.held + excluded.held, {DIGITS}), spent = ROUND(w.spent + excluded.spent, {DIGITS})
        RETURNING {_WINDOW.names}
        """  # noqa: S608 - placeholders and a constant


def _alerts(found: Iterable[BudgetState]) -> list[Statement]:
    """What writes an alert for each threshold of the limit in force that is reached; one that was told keeps its first."""
    return statements.insert_new(
        [
            BudgetAlert(window=state.window, percent=percent, limit=state.limit)
            for state in found
            for percent in THRESHOLDS
            if 0 < state.limit * percent / 100 <= state.used
        ]
    )


# ---- Words -----------------------------------------------------------------------------------------------------------


def _refusal(short: Sequence[BudgetState], amount: Decimal) -> InsufficientQuota:
    """What the caller is told: of the budgets that lack money, the one that lacks it longest."""
    state = max(short, key=lambda state: (amount > state.limit, state.resets_at or datetime.max.replace(tzinfo=UTC)))
    return InsufficientQuota(" ".join([_what_is_left(state, amount), *_why(state, amount), _when(state, amount)]))


def _what_is_left(state: BudgetState, amount: Decimal) -> str:
    left = max(Decimal(0), state.limit - (state.used - amount))
    whose = "This key's" if state.budget.key_id is not None else "The team's"
    kind = "total" if state.resets_at is None else state.budget.period
    return f"{whose} {kind} budget of {usd(state.limit)} has {usd(left)} left and this request costs {usd(amount)}."


def _why(state: BudgetState, amount: Decimal) -> list[str]:
    """What the reader could not guess: that it can never fit, that money comes back, that the limit is not to stay."""
    words = []
    if amount > state.limit:
        words.append(f"It never fits: no request may cost more than the whole budget of {usd(state.limit)}.")
    elif (held := state.held - amount) and max(Decimal(0), state.spent) + amount <= state.limit:
        words.append(f"{usd(held)} is held by tasks under way; what they do not cost comes back when they end.")
    if state.raised and state.budget.raised_until:
        end = _moment(state.budget.raised_until, state.budget)
        words.append(f"The budget is raised until {end}, and is {usd(state.budget.amount)} from then on.")
    return words


def _when(state: BudgetState, amount: Decimal) -> str:
    if amount > state.limit:
        return "A shorter or smaller video costs less; your quota can be raised by an administrator."
    resets = f"The budget resets at {_moment(state.resets_at, state.budget)}" if state.resets_at else "The budget does not reset"
    return f"{resets}; your quota can be raised by an administrator."


def _moment(moment: datetime, budget: Budget) -> str:
    return f"{moment.astimezone(ZoneInfo(budget.time_zone)):%Y-%m-%d %H:%M} {budget.time_zone}"


def usd(amount: Decimal) -> str:
    """An amount for people: cents, and what is finer only where there is any."""
    cents = amount.quantize(Decimal("0.01"))
    return f"{cents if cents == amount else amount.quantize(Decimal('0.0001'))} USD"
