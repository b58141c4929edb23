"""Budgets that are nearly used up are named, with the day at which they will be at this pace."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction

from conduit.conditions import Severity
from conduit.conditions.looking import look
from conduit.conditions.reading import place
from keys import budget_uses, ledger
from keys.models import Budget, Team, VirtualKey
from keys.services import create_key
from tests.conditions.conftest import details

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def on_the_20th(time_travel):
    time_travel.move_to(NOON, tick=False)


@pytest.fixture
def key(db):
    return create_key(name="ann")[0]


def spend(key, amount):
    with transaction.atomic():
        ledger.adjust(key=key, amount=Decimal(amount), who="ann", why="test")


def budget_of(owner, amount="100", period="monthly", **fields):
    return owner.budgets.create(period=period, amount=Decimal(amount), **fields)


def test_a_budget_is_named_from_nine_tenths_on_until_it_is_raised_or_resets(key, time_travel):
    budget = budget_of(key)
    spend(key, "89.99")
    assert budget_uses.near() == []

    spend(key, "0.01")

    (use,) = budget_uses.near()
    assert (use.owner, use.owner_name, use.percent, use.used, use.limit) == ("key", "ann", 90, Decimal(90), Decimal(100))
    # 90 USD in 19.5 days: 10 more take 2 days and 4 hours.
    assert use.used_up_at == NOON + timedelta(days=19.5) / 9
    assert use.resets_at == datetime(2026, 12, 1, tzinfo=UTC)
    Budget.objects.filter(pk=budget.pk).update(raised_to=200, raised_until=NOON + timedelta(days=1))
    assert budget_uses.near() == []
    time_travel.shift(timedelta(days=2))
    assert len(budget_uses.near()) == 1
    time_travel.shift(timedelta(days=20))
    assert budget_uses.near() == []


def test_a_raise_that_ends_leaves_a_budget_named_that_never_had_an_alert_of_its_own_limit(key, time_travel):
    budget_of(key, raised_to=Decimal(400), raised_until=NOON + timedelta(hours=1))
    spend(key, "95")
    assert budget_uses.near() == []

    time_travel.shift(timedelta(hours=2))

    assert [use.percent for use in budget_uses.near()] == [95]


def test_a_pace_that_lasts_until_the_reset_names_no_day(key):
    budget_of(key, period="daily", time_zone="Europe/Berlin")  # thirteen hours of it have passed
    spend(key, "50")
    (half,) = budget_uses.uses(Budget.objects.all())
    assert half.used_up_at is None
    spend(key, "50")

    (all_of_it,) = budget_uses.near()

    assert all_of_it.used_up_at == NOON
    assert (all_of_it.percent, all_of_it.resets_at) == (100, datetime(2026, 11, 20, 23, tzinfo=UTC))


def test_budgets_without_end_are_named_however_long_ago_they_came_so_far(key, time_travel):
    budget_of(key, period="total")
    spend(key, "95")
    time_travel.shift(timedelta(days=400))

    assert [use.percent for use in budget_uses.near()] == [95]


def test_those_of_deleted_keys_are_not_named(key):
    budget_of(key)
    spend(key, "95")
    VirtualKey.objects.filter(pk=key.pk).update(deleted_at=NOON)

    assert budget_uses.near() == []


def test_the_condition_tells_of_keys_and_teams_in_words_and_leaves_the_place_well(key):
    team = Team.objects.create(name="film")
    VirtualKey.objects.filter(pk=key.pk).update(team=team)
    budget_of(key, "50")
    budget_of(team, "50")
    spend(VirtualKey.objects.get(), "46")

    look()

    told = "90 % or more of 50.00 USD is used; at this pace it is used up on Sun 22 Nov."
    assert details("budgets") == {f"key {key.pk} ann: monthly": told, f"team {team.pk} film: monthly": told}
    assert next(state.condition.severity for state in place().holding if state.condition.name == "budgets") is Severity.NOTICE
    spend(VirtualKey.objects.get(), "4")
    look()
    assert set(details("budgets").values()) == {"All of 50.00 USD is used, until it resets on Tue 01 Dec."}
