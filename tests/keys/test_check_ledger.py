"""manage.py check_ledger: it proves that the money adds up, or names what does not."""

from decimal import Decimal
from io import StringIO
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from conduit import statements
from keys import ledger as money
from keys.models import BudgetWindow, Period, UsageCost
from tasks.ids import new_task_id
from tasks.models import Task
from tests.support.ending import end
from tests.support.tampering import tampering

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def check() -> tuple[bool, str]:
    """Whether it adds up, and what the command said."""
    said = StringIO()
    try:
        call_command("check_ledger", stdout=said)
    except CommandError:
        return False, said.getvalue()
    return True, said.getvalue()


def execute(sql: str, *values: object) -> None:
    """Change what the code never changes."""
    with tampering(), connection.cursor() as cursor:
        cursor.execute(sql, [str(value) if isinstance(value, Decimal) else value for value in values])


@pytest.fixture
def spent(consumer):
    """A key with two budgets, and tasks of each kind: one that runs, and one for each end."""
    for period in (Period.TOTAL, Period.DAILY):
        consumer.key.budgets.create(period=period, amount=10)
    running = UUID(consumer.generate()["task_id"])
    ended = {status: end(consumer.generate()["task_id"], status).pk for status in ("completed", "failed", "cancelled")}
    return {"running": running, **ended}


def test_a_ledger_that_adds_up_is_said_to(spent):
    assert check() == (True, "The ledger adds up: 9 rows.\n")


def test_an_empty_ledger_adds_up(db):
    assert check() == (True, "The ledger adds up: 0 rows.\n")


def test_refunds_credits_and_adjustments_add_up(spent, consumer):
    money.refund(task_id=spent["completed"], who="ann", why="it was blue", amount=Decimal("0.05"))
    money.credit(key=consumer.key, amount=Decimal("1.5"), who="ann", why="sorry")
    money.adjust(key=consumer.key, amount=Decimal("-0.1234"), who="ann", why="a rounding")

    assert check()[0]


@pytest.mark.parametrize(("counter", "change"), [("held", "0.0001"), ("held", "0.2"), ("spent", "-0.0001"), ("spent", "0.0001")])
def test_a_counter_that_is_off_by_the_last_digit_is_named(spent, counter, change):
    window = BudgetWindow.objects.first()
    before = getattr(window, counter)
    setattr(window, counter, before + Decimal(change))
    window.save()

    fine, said = check()

    assert not fine
    assert (
        said
        == f"window {window.pk} of budget {window.budget_id} counts {before + Decimal(change)} {counter}, and its rows sum to {before}\n"
    )


def test_a_hold_without_a_task_is_named(spent, consumer):
    orphan = new_task_id()
    of_task = {"task_id": orphan, "task_kind": "video_generation", "model": "minimax-video"}
    statements.do(*statements.run(money.holding(key=consumer.key, amount=Decimal("0.2"), **of_task)))

    assert check() == (False, f"task {orphan} is in the ledger and does not exist\n")


@pytest.mark.parametrize(
    ("task", "entry", "sql", "problem"),
    [
        ("running", "hold", "DELETE FROM keys_usagecost WHERE id = %s", "is queued and has no hold"),
        ("failed", "hold", "DELETE FROM keys_usagecost WHERE id = %s", "has money moved without a hold"),
        ("completed", "capture", "DELETE FROM keys_usagecost WHERE id = %s", "is completed and its hold is open"),
        ("failed", "capture", "DELETE FROM keys_usagecost WHERE id = %s", "has a release or a refund, but its hold is not resolved"),
        ("failed", "release", "DELETE FROM keys_usagecost WHERE id = %s", "held 0.2000, but captured 0.0000 and released 0"),
        ("failed", "release", "UPDATE keys_usagecost SET amount = 0.1999 WHERE id = %s", "captured 0.0000 and released 0.1999"),
        ("running", "hold", "UPDATE keys_usagecost SET amount = 0.1 WHERE id = %s", "is queued and costs 0.2000, but 0.1000 was held"),
        ("completed", "capture", "UPDATE keys_usagecost SET entry = 'refund' WHERE id = %s", "was refunded 0.2000 of 0"),
        (
            "completed",
            "capture",
            "UPDATE keys_usagecost SET team_id = 7 WHERE id = %s",
            "has rows of different keys, teams, currencies or periods",
        ),
        ("completed", "capture", "UPDATE keys_usagecost SET currency = 'EUR' WHERE id = %s", "has rows of different keys"),
    ],
)
def test_rows_of_a_task_that_contradict_each_other_are_named(spent, task, entry, sql, problem):
    execute(sql, UsageCost.objects.get(task_id=spent[task], entry=entry).pk)

    fine, said = check()

    assert not fine
    assert any(line.startswith(f"task {spent[task]} ") and problem in line for line in said.splitlines()), said


@pytest.mark.parametrize(
    ("task", "fields", "problem"),
    [
        ("completed", {"charged": Decimal("0.1")}, "is completed and is charged 0.1000, but 0.2000 was captured"),
        ("completed", {"status": "failed", "progress": 3, "error_code": "x"}, "is failed and 0.2000 of 0.2000 was captured"),
        ("failed", {"status": "completed", "progress": 100, "error_code": ""}, "is completed and 0.0000 of 0.2000 was captured"),
        ("cancelled", {"price": Decimal("0.3")}, "is cancelled and costs 0.3000, but 0.2000 was held"),
    ],
)
def test_a_task_that_its_rows_contradict_is_named(spent, task, fields, problem):
    Task.objects.filter(pk=spent[task]).update(**fields)

    fine, said = check()

    assert not fine
    assert f"task {spent[task]} {problem}\n" in said


def test_a_task_of_another_key_than_its_rows_is_named(spent, make_consumer):
    Task.objects.filter(pk=spent["running"]).update(key=make_consumer("bob").key)

    assert check() == (False, f"task {spent['running']} is queued and another key's money was moved\n")


def test_every_difference_is_counted(spent):
    BudgetWindow.objects.update(held=5, spent=5)

    with pytest.raises(CommandError, match=r"4 differences\."):
        call_command("check_ledger", stdout=StringIO())


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_beside_live_traffic_it_sees_one_moment(spent):
    assert check()[0]


def test_a_period_whose_window_is_missing_is_named_where_its_rows_sum_to_something(spent, consumer):
    BudgetWindow.objects.filter(budget__period=Period.TOTAL).delete()
    budget = consumer.key.budgets.get(period=Period.TOTAL)

    fine, said = check()

    assert not fine
    missing = f"the window that is missing from 1970-01-01 00:00 of budget {budget.pk} counts"
    assert said == f"{missing} 0 held, and its rows sum to 0.2000\n{missing} 0 spent, and its rows sum to 0.2000\n"


def test_a_key_that_does_not_say_that_it_has_budgets_is_named(spent, consumer):
    type(consumer.key).objects.update(budgeted=False)

    assert check() == (False, f"key {consumer.key.pk} has budgets and does not say so: they would not bind it\n")
