"""Budgets that are replaced, removed, added again or lowered: they count what the ledger says, not what they saw."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command

from conduit.console.keys.forms import BudgetForm
from keys import budget_owners, budgets, ledger, services
from keys.budgets import states
from keys.models import AuditEntry, Budget, BudgetAlert, Period, Team
from tests.support.audits import forget_audit
from tests.support.ending import end

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

NOON = datetime(2026, 3, 11, 12, tzinfo=UTC)  # a Wednesday
PRICE = Decimal("0.2")
GOOD = {"model": "minimax-video", "prompt": "a cat"}


def budget(period="total", amount="5", **fields):
    return {"period": period, "amount": Decimal(amount), **fields}


def give(owner, *wanted):
    budget_owners.set_budgets(owner, list(wanted), who="root")


def counted(owner):
    """What the owner's budgets count as held and spent now, by period."""
    return {state.budget.period: (state.held, state.spent) for state in states(owner.budgets.all())}


def alerts():
    return sorted(BudgetAlert.objects.values_list("percent", "limit"))


@pytest.fixture
def team(db):
    return Team.objects.create(name="film")


@pytest.fixture
def member(make_consumer, team):
    """A consumer whose key is in the team."""
    consumer = make_consumer("ann")
    services.change_key(consumer.key, who="root", team=team)
    return consumer


@pytest.fixture(autouse=True)
def the_ledger_adds_up(db):
    yield
    call_command("check_ledger")


def test_a_total_keeps_what_was_spent_whatever_time_zone_it_is_given(consumer):
    budget_owners.set_budgets(consumer.key, [{"period": "total", "amount": "0.20"}], who="an administrator")
    consumer.generate()

    budget_owners.set_budgets(consumer.key, [{"period": "total", "time_zone": "Europe/Berlin", "amount": "0.20"}], who="an administrator")

    [state] = states(list(Budget.objects.filter(key=consumer.key)))
    assert state.left == 0
    answer = consumer.post("/v1/video/generations", {"model": "minimax-video", "prompt": "a cat"})
    assert answer.status_code == 402


def test_the_console_keeps_an_existing_budgets_period_and_time_zone(consumer):
    budget = Budget.objects.create(key=consumer.key, period="daily", amount="0.20")

    form = BudgetForm({"period": "monthly", "time_zone": "Asia/Tokyo", "amount": "0.40"}, instance=budget)

    assert form.is_valid()
    saved = form.save(commit=False)
    assert (saved.period, saved.time_zone, str(saved.amount)) == ("daily", "UTC", "0.40")


@pytest.mark.parametrize("replaced", [budget("monthly"), budget("daily", time_zone="Europe/Berlin"), budget("total")])
def test_a_budget_with_another_period_or_zone_counts_what_was_held_and_spent_in_it(consumer, time_travel, replaced):
    time_travel.move_to(NOON, tick=False)
    give(consumer.key, budget("daily"))
    end(consumer.generate()["task_id"], "completed")
    running = consumer.generate()["task_id"]

    give(consumer.key, replaced)

    assert counted(consumer.key) == {replaced["period"]: (PRICE, PRICE)}
    end(running, "failed")
    assert counted(consumer.key) == {replaced["period"]: (0, PRICE)}


def test_a_budget_that_is_removed_and_added_again_does_not_begin_anew(consumer):
    give(consumer.key, budget("total", "0.3"))
    running = consumer.generate()["task_id"]
    give(consumer.key)

    give(consumer.key, budget("total", "0.3"))

    assert consumer.post("/v1/video/generations", GOOD).status_code == 402
    end(running, "cancelled")
    consumer.generate()


def test_what_came_before_a_budgets_period_is_not_counted_in_it(consumer, time_travel):
    time_travel.move_to(NOON, tick=False)
    yesterday, before_noon = consumer.generate()["task_id"], None
    time_travel.shift(timedelta(days=1))
    before_noon = consumer.generate()["task_id"]

    give(consumer.key, budget("daily"), budget("weekly"))

    assert counted(consumer.key) == {"daily": (PRICE, 0), "weekly": (2 * PRICE, 0)}
    end(yesterday, "completed")
    end(before_noon, "completed")
    assert counted(consumer.key) == {"daily": (0, PRICE), "weekly": (0, 2 * PRICE)}


def test_a_new_budget_counts_refunds_credits_and_adjustments(consumer):
    task_id = end(consumer.generate()["task_id"], "completed").pk
    ledger.refund(task_id=task_id, amount=Decimal("0.05"), who="root", why="")
    ledger.adjust(key=consumer.key, amount=Decimal("1"), who="root", why="")
    ledger.credit(key=consumer.key, amount=Decimal("0.4"), who="root", why="")

    give(consumer.key, budget())

    assert counted(consumer.key) == {"total": (0, Decimal("0.75"))}


def test_a_new_budget_of_a_team_counts_what_its_keys_spent_as_members_and_nothing_else(make_consumer, member, team):
    """What a key spent before it joined was no money of the team's, and what it spent in the team stays the team's when it leaves."""
    stranger = make_consumer("bob")
    stranger.generate()
    end(member.generate()["task_id"], "completed")
    services.change_key(stranger.key, who="root", team=team)
    stranger.generate()
    services.change_key(member.key, who="root", team=None)
    member.generate()

    give(team, budget())

    assert counted(team) == {"total": (PRICE, PRICE)}


def test_a_key_that_moves_to_another_team_leaves_its_open_holds_with_the_first(member, team):
    other = Team.objects.create(name="music")
    give(team, budget())
    give(other, budget())
    first = member.generate()["task_id"]
    services.change_key(member.key, who="root", team=other)
    second = member.generate()["task_id"]

    assert (counted(team), counted(other)) == ({"total": (PRICE, 0)}, {"total": (PRICE, 0)})
    end(first, "completed")
    end(second, "failed")
    assert (counted(team), counted(other)) == ({"total": (0, PRICE)}, {"total": (0, 0)})


def test_a_key_that_comes_back_to_a_team_does_not_begin_anew_there(member, team):
    give(team, budget("total", "0.3"))
    member.generate()
    services.change_key(member.key, who="root", team=None)
    services.change_key(member.key, who="root", team=team)

    assert member.post("/v1/video/generations", GOOD).status_code == 402


def test_a_task_of_a_team_that_is_gone_still_ends(member, team):
    give(team, budget())
    running = member.generate()["task_id"]
    services.change_key(member.key, who="root", team=None)
    budget_owners.delete_team(team, who="root")

    end(running, "completed")


# ---- Credits


def test_a_credit_is_the_keys_alone_and_an_adjustment_is_the_teams_too(member, team):
    give(member.key, budget())
    give(team, budget())
    end(member.generate()["task_id"], "completed")

    ledger.credit(key=member.key, amount=Decimal("0.15"), who="root", why="sorry")
    ledger.adjust(key=member.key, amount=Decimal("1"), who="root", why="by hand")

    assert counted(member.key) == {"total": (0, Decimal("1.05"))}
    assert counted(team) == {"total": (0, Decimal("1.2"))}


def test_a_credit_of_more_than_was_spent_leaves_no_more_than_the_limit_and_its_rest_pays_what_is_spent_later(consumer):
    give(consumer.key, budget("total", "0.4"))
    ledger.credit(key=consumer.key, amount=Decimal("0.6"), who="root", why="sorry")

    [state] = states(consumer.key.budgets.all())
    assert (state.spent, state.left) == (Decimal("-0.6"), Decimal("0.4"))
    running = [consumer.generate()["task_id"], consumer.generate()["task_id"]]
    assert consumer.post("/v1/video/generations", GOOD).status_code == 402
    for task_id in running:
        end(task_id, "completed")
    [state] = states(consumer.key.budgets.all())
    assert (state.spent, state.left) == (Decimal("-0.2"), Decimal("0.4"))


# ---- Alerts


def test_a_threshold_of_a_raised_limit_is_told_although_that_of_the_lower_one_was(consumer):
    give(consumer.key, budget("total", "0.4"))
    consumer.generate()
    assert alerts() == [(50, Decimal("0.4"))]

    give(consumer.key, budget("total", "0.8"))
    assert alerts() == [(50, Decimal("0.4"))]
    consumer.generate()

    assert alerts() == [(50, Decimal("0.4")), (50, Decimal("0.8"))]


def test_a_budget_that_is_lowered_below_what_is_used_tells_of_it_at_once(consumer):
    give(consumer.key, budget("total", "5"))
    consumer.generate()
    assert alerts() == []

    give(consumer.key, budget("total", "0.25"))

    assert alerts() == [(50, Decimal("0.25")), (75, Decimal("0.25"))]
    give(consumer.key, budget("total", "0.25", time_zone="Asia/Tokyo"))
    assert len(alerts()) == 2


def test_a_new_budget_tells_of_what_its_owner_used_before_it(consumer):
    consumer.generate()

    give(consumer.key, budget("total", "0.4"))

    assert alerts() == [(50, Decimal("0.4"))]


def test_a_raise_that_ended_is_told_of_by_the_limit_that_is_in_force_again(consumer, time_travel):
    time_travel.move_to(NOON, tick=False)
    give(consumer.key, budget("total", "0.5", raised_to=Decimal(50), raised_until=NOON + timedelta(hours=1)))
    consumer.generate()
    time_travel.shift(timedelta(hours=1))
    consumer.generate()

    assert alerts() == [(50, Decimal("0.5")), (75, Decimal("0.5"))]


# ---- Periods


def test_every_period_has_its_end_in_its_window(consumer, time_travel):
    time_travel.move_to(NOON, tick=False)
    give(consumer.key, *[budget(period, time_zone="Europe/Berlin") for period in Period.values])
    consumer.generate()

    windows = {
        window.budget.period: (window.starts_at, window.ends_at) for budget in consumer.key.budgets.all() for window in budget.windows.all()
    }
    assert windows == {budget.period: budgets.period_of(budget, NOON) for budget in consumer.key.budgets.all()}


# ---- Teams that go


def test_a_team_that_is_deleted_leaves_an_audit_row_for_itself_and_for_each_of_its_budgets(team):
    give(team, budget("daily", "3"), budget("total", "7"))
    forget_audit()
    pk = team.pk
    ids = list(team.budgets.order_by("pk").values_list("pk", flat=True))

    budget_owners.delete_team(team, who="root")

    told = [(entry.who, entry.action, entry.target, entry.changes) for entry in AuditEntry.objects.order_by("pk")]
    assert told == [
        ("root", "delete", f"budget:{ids[0]}", {"of": f"team:{pk}", "period": "daily", "amount": "3.0000"}),
        ("root", "delete", f"budget:{ids[1]}", {"of": f"team:{pk}", "period": "total", "amount": "7.0000"}),
        ("root", "delete", f"team:{pk}", {"name": "film"}),
    ]
