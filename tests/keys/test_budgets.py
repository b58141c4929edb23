"""Budgets: their periods, their limits, and what a hold that does not fit is told."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from keys import budgets, ledger
from keys.budgets import InsufficientQuota, limit_of, period_of
from keys.models import Budget, BudgetAlert, BudgetWindow, Period, Team
from keys.services import create_key
from tasks.ids import new_task_id
from tests.support.holds import hold as held
from tests.support.marks import SOAK_ON_SQLITE

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite, *SOAK_ON_SQLITE]

PRICE = Decimal("0.2")
NOON = datetime(2026, 3, 11, 12, tzinfo=UTC)  # a Wednesday


@pytest.fixture(autouse=True)
def at_noon(time_travel):
    time_travel.move_to(NOON, tick=False)
    return time_travel


@pytest.fixture
def key(db):
    return create_key(name="ann")[0]


def budget_of(owner, amount="1", period=Period.TOTAL, **fields) -> Budget:
    return owner.budgets.create(period=period, amount=Decimal(amount), **fields)


def hold(key, amount=PRICE):
    """A task's hold, in the transaction that a create would give it; the task's id."""
    task_id = new_task_id()
    with transaction.atomic():
        held(key=key, task_id=task_id, task_kind="video_generation", model="minimax-video", amount=Decimal(amount))
    return task_id


def counters(budget) -> list[tuple[Decimal, Decimal]]:
    return list(budget.windows.order_by("starts_at").values_list("held", "spent"))


def percents() -> list[int]:
    return sorted(BudgetAlert.objects.values_list("percent", flat=True))


# ---- Periods


@pytest.mark.parametrize(
    ("period", "zone", "now", "begins", "resets"),
    [
        ("daily", "UTC", "2026-03-11T12:00", "2026-03-11T00:00", "2026-03-12T00:00"),
        ("daily", "UTC", "2026-03-11T00:00", "2026-03-11T00:00", "2026-03-12T00:00"),
        ("daily", "UTC", "2026-03-10T23:59:59.999999", "2026-03-10T00:00", "2026-03-11T00:00"),
        ("daily", "Asia/Kathmandu", "2026-03-11T18:14", "2026-03-10T18:15", "2026-03-11T18:15"),
        ("daily", "Asia/Kathmandu", "2026-03-11T18:15", "2026-03-11T18:15", "2026-03-12T18:15"),
        ("weekly", "UTC", "2026-03-11T12:00", "2026-03-09T00:00", "2026-03-16T00:00"),
        ("weekly", "UTC", "2026-03-09T00:00", "2026-03-09T00:00", "2026-03-16T00:00"),
        ("weekly", "America/New_York", "2026-03-09T03:59", "2026-03-02T05:00", "2026-03-09T04:00"),
        ("monthly", "UTC", "2026-03-11T12:00", "2026-03-01T00:00", "2026-04-01T00:00"),
        ("monthly", "UTC", "2026-12-31T23:59", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("monthly", "UTC", "2028-02-29T23:59", "2028-02-01T00:00", "2028-03-01T00:00"),
        ("monthly", "Europe/Berlin", "2026-03-31T22:00", "2026-03-31T22:00", "2026-04-30T22:00"),
        # Clocks go forward: a day of 23 hours; back: one of 25.
        ("daily", "Europe/Berlin", "2026-03-29T12:00", "2026-03-28T23:00", "2026-03-29T22:00"),
        ("daily", "Europe/Berlin", "2026-10-25T12:00", "2026-10-24T22:00", "2026-10-25T23:00"),
        # Midnight itself is skipped: the day begins as the clocks jump.
        ("daily", "America/Santiago", "2026-09-06T12:00", "2026-09-06T04:00", "2026-09-07T03:00"),
        ("daily", "America/Santiago", "2026-09-06T03:59", "2026-09-05T04:00", "2026-09-06T04:00"),
        # Midnight comes twice: the day begins at the first.
        ("daily", "America/Havana", "2026-11-01T04:30", "2026-11-01T04:00", "2026-11-02T05:00"),
        ("daily", "America/Havana", "2026-11-01T05:30", "2026-11-01T04:00", "2026-11-02T05:00"),
        # A whole day that a place left out.
        ("daily", "Pacific/Apia", "2011-12-30T09:59", "2011-12-29T10:00", "2011-12-30T10:00"),
        ("daily", "Pacific/Apia", "2011-12-30T10:00", "2011-12-30T10:00", "2011-12-31T10:00"),
    ],
)
def test_a_period_begins_and_ends_at_midnight_where_its_budget_lives(period, zone, now, begins, resets):
    def moment(text):
        return datetime.fromisoformat(text).replace(tzinfo=UTC)

    assert period_of(Budget(period=period, time_zone=zone), moment(now)) == (moment(begins), moment(resets))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Santiago", "America/Havana", "Australia/Lord_Howe", "Africa/Casablanca"])
@pytest.mark.parametrize("period", ["daily", "weekly", "monthly"])
def test_periods_follow_each_other_without_gap_or_overlap(period, zone):
    budget = Budget(period=period, time_zone=zone)
    moments = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(24 * 366)]
    seen = [period_of(budget, moment) for moment in moments]

    assert all(begins <= moment < resets for moment, (begins, resets) in zip(moments, seen, strict=True))
    assert all(later == earlier or later[0] == earlier[1] for earlier, later in pairwise(seen))
    assert all(begins.astimezone(ZoneInfo(zone)).hour <= 1 for begins, _ in seen)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "Europe", "UTC\0", "/etc/localtime", "x" * 5000])
def test_what_is_no_time_zone_is_refused(name):
    with pytest.raises(ValidationError, match="not a time zone"):
        budgets.check_time_zone(name)


def test_a_total_budget_never_resets():
    budget = Budget(period="total")

    assert period_of(budget, NOON) == period_of(budget, NOON + timedelta(days=5000)) == (budgets.ALWAYS, None)


def test_what_was_spent_in_one_period_is_not_counted_in_the_next(key, at_noon):
    budget = budget_of(key, PRICE, "daily", time_zone="Asia/Tokyo")
    hold(key)
    with pytest.raises(InsufficientQuota):
        hold(key)

    at_noon.move_to(datetime(2026, 3, 11, 15, tzinfo=UTC), tick=False)  # midnight in Tokyo

    hold(key)
    assert counters(budget) == [(PRICE, 0), (PRICE, 0)]


def test_a_hold_is_resolved_in_the_period_in_which_it_was_taken(key, at_noon):
    budget = budget_of(key, "5", "daily")
    first, second = hold(key), hold(key)
    at_noon.shift(timedelta(days=1))
    hold(key, "0.3")

    ledger.settle(task_id=first, captured=PRICE)
    ledger.settle(task_id=second, captured=Decimal("0.05"))

    assert counters(budget) == [(0, Decimal("0.25")), (Decimal("0.3"), 0)]


# ---- Limits


def test_a_hold_that_fits_to_the_last_digit_is_taken_and_the_next_digit_is_refused(key):
    budget = budget_of(key, "0.3")
    hold(key, "0.2999")
    hold(key, "0.0001")

    with pytest.raises(InsufficientQuota):
        hold(key, "0.0001")
    assert counters(budget) == [(Decimal("0.3"), 0)]


def test_money_that_is_held_and_money_that_is_spent_count_alike_and_what_is_released_does_not(key):
    budget = budget_of(key, "0.6")
    spent, released, _ = hold(key), hold(key), hold(key)
    ledger.settle(task_id=spent, captured=PRICE)
    with pytest.raises(InsufficientQuota):
        hold(key)

    ledger.settle(task_id=released, captured=Decimal(0))

    hold(key)
    assert counters(budget) == [(Decimal("0.4"), PRICE)]


def test_the_tightest_of_several_budgets_decides_and_a_refusal_moves_none(key):
    wide, tight = budget_of(key, "100"), budget_of(key, "0.3", "monthly")
    hold(key)

    with pytest.raises(InsufficientQuota, match="monthly budget"):
        hold(key)
    assert counters(wide) == counters(tight) == [(PRICE, 0)]


def test_keys_of_a_team_spend_from_one_budget_and_others_do_not(key):
    team = Team.objects.create(name="film")
    budget = budget_of(team, "0.4")
    bob, carl = create_key(name="bob", team=team)[0], create_key(name="carl", team=team)[0]
    hold(bob)
    hold(carl)
    hold(key)

    with pytest.raises(InsufficientQuota, match="team"):
        hold(bob)
    assert counters(budget) == [(Decimal("0.4"), 0)]


def test_a_raise_counts_until_its_end(key, at_noon):
    budget = budget_of(key, PRICE, raised_to=Decimal("0.4"), raised_until=NOON + timedelta(hours=1))
    hold(key)
    at_noon.shift(timedelta(hours=1) - timedelta(microseconds=1))
    hold(key)
    at_noon.shift(timedelta(microseconds=1))

    with pytest.raises(InsufficientQuota, match=r"budget of 0\.20 USD has 0\.00 USD left"):
        hold(key)
    assert counters(budget) == [(Decimal("0.4"), 0)]


@pytest.mark.parametrize(
    ("amount", "raised_to", "limit"), [("5", "7", "7"), ("5", "3", "5"), ("5", "5", "5")], ids=["higher", "lower", "the same"]
)
def test_a_raise_never_lowers(amount, raised_to, limit):
    budget = Budget(amount=Decimal(amount), raised_to=Decimal(raised_to), raised_until=NOON + timedelta(seconds=1))

    assert limit_of(budget, NOON) == Decimal(limit)


def test_a_budget_of_nothing_allows_nothing(key):
    budget_of(key, "0")

    with pytest.raises(InsufficientQuota):
        hold(key, "0.0001")


def test_a_key_without_budgets_spends_freely_and_needs_no_window(key):
    hold(key, "1000000")

    assert not BudgetWindow.objects.exists()


def test_a_hold_of_a_budget_that_was_deleted_meanwhile_still_ends(key):
    kept, deleted = budget_of(key), budget_of(key, period="daily")
    task_id = hold(key)
    deleted.delete()

    ledger.settle(task_id=task_id, captured=PRICE)

    assert counters(kept) == [(0, PRICE)]


def test_many_small_amounts_leave_no_crumbs(key):
    budget = budget_of(key, "1000")
    for cents in range(1, 60):
        ledger.settle(task_id=hold(key, f"0.{cents:04}"), captured=Decimal(f"0.{cents // 3:04}"))

    [window] = budget.windows.all()
    assert (window.held, window.spent) == (0, sum(Decimal(f"0.{cents // 3:04}") for cents in range(1, 60)))


@pytest.mark.parametrize("count", [1, 7])
def test_a_hold_costs_the_same_few_queries_however_many_budgets_there_are(key, count):
    for _ in range(count):
        budget_of(key, "0.3", "daily")

    with CaptureQueriesContext(connection) as queries:
        hold(key)  # it passes the first threshold of each

    statements = [query["sql"].split()[0] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert statements == ["SELECT", "INSERT", "INSERT", "INSERT"]  # the budgets, their windows and their alerts, then the row
    assert BudgetAlert.objects.count() == count


# ---- Thresholds


def test_each_threshold_is_told_once_in_each_period(key, at_noon):
    budget_of(key, "1", "daily")
    seen = []
    for _ in range(5):
        last = hold(key)
        seen.append(percents())
    ledger.settle(task_id=last, captured=Decimal(0))
    hold(key)

    assert seen == [[], [], [50], [50, 75], [50, 75, 90]]
    assert percents() == [50, 75, 90]
    at_noon.shift(timedelta(days=1))
    hold(key, "0.5")
    assert percents() == [50, 50, 75, 90]


def test_one_hold_that_passes_all_thresholds_tells_them_all(key):
    budget_of(key, "0.2")
    hold(key)

    assert percents() == [50, 75, 90]


def test_a_hold_that_is_refused_tells_of_nothing(key):
    budget_of(key, "0.1")
    with pytest.raises(InsufficientQuota):
        hold(key)

    assert percents() == []


# ---- Words


@pytest.mark.parametrize(
    ("period", "zone", "when"),
    [
        ("total", "UTC", "The budget does not reset"),
        ("daily", "UTC", "The budget resets at 2026-03-12 00:00 UTC"),
        ("weekly", "Europe/Berlin", "The budget resets at 2026-03-16 00:00 Europe/Berlin"),
        ("monthly", "America/New_York", "The budget resets at 2026-04-01 00:00 America/New_York"),
    ],
)
def test_a_refusal_says_what_is_left_what_it_costs_and_when_to_come_back(key, period, zone, when):
    budget_of(key, "0.5333", period, time_zone=zone)
    hold(key, "0.4")

    with pytest.raises(InsufficientQuota) as refusal:
        hold(key)
    assert refusal.value.message == (
        f"This key's {period} budget of 0.5333 USD has 0.1333 USD left and this request costs 0.20 USD. "
        "0.40 USD is held by tasks under way; what they do not cost comes back when they end. "
        f"{when}; your quota can be raised by an administrator."
    )


def test_of_several_budgets_without_money_the_one_that_lacks_it_longest_is_told(key):
    for period in ("monthly", "daily", "weekly"):
        budget_of(key, "0.1", period)

    with pytest.raises(InsufficientQuota, match="monthly"):
        hold(key)


# ---- Reading


def test_the_state_of_budgets_tells_what_is_left_and_when_they_reset(key, at_noon, django_assert_num_queries):
    team = Team.objects.create(name="film")
    key.team = team
    key.save(update_fields=["team"])
    budget_of(key, "1", "daily", raised_to=Decimal("3"), raised_until=NOON + timedelta(days=9))
    budget_of(team, "0.3")
    ledger.settle(task_id=hold(key), captured=Decimal("0.15"))
    hold(key, "0.1")

    with django_assert_num_queries(2):
        daily, total = budgets.of(key)

    assert (daily.limit, daily.raised, daily.held, daily.spent, daily.left) == (3, True, Decimal("0.1"), Decimal("0.15"), Decimal("2.75"))
    assert (daily.starts_at, daily.resets_at) == (NOON.replace(hour=0), NOON.replace(hour=0) + timedelta(days=1))
    assert (total.limit, total.raised, total.left, total.resets_at) == (Decimal("0.3"), False, Decimal("0.05"), None)
    at_noon.shift(timedelta(days=1))
    assert [(state.held, state.spent) for state in budgets.of(key)] == [(0, 0), (Decimal("0.1"), Decimal("0.15"))]


def test_a_budget_that_was_lowered_below_what_is_spent_has_nothing_left(key):
    budget = budget_of(key)
    hold(key, "0.9")
    budget.amount = Decimal("0.5")
    budget.save(update_fields=["amount"])

    [state] = budgets.of(key)
    assert state.left == 0
