from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from keys import budget_owners, ledger
from keys.models import UsageCost
from keys.services import create_key
from tasks.ids import new_task_id
from tests.settings import ON_SQLITE
from tests.support.holds import hold

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

PRICE = Decimal("0.2000")


@pytest.fixture
def task_id():
    key, _ = create_key(name="ann")
    pk = new_task_id()
    hold(key=key, task_id=pk, task_kind="video_generation", model="minimax-video", amount=PRICE)
    return pk


@pytest.mark.parametrize(
    ("captured", "rows"),
    [
        ("0.2", [("hold", "0.2"), ("capture", "0.2")]),
        ("0", [("hold", "0.2"), ("capture", "0"), ("release", "0.2")]),
        ("0.0001", [("hold", "0.2"), ("capture", "0.0001"), ("release", "0.1999")]),
    ],
)
def test_a_hold_is_resolved_into_what_is_charged_and_what_goes_back(ledger_of, task_id, captured, rows):
    ledger.settle(task_id=task_id, captured=Decimal(captured))

    assert ledger_of(task_id) == [(entry, Decimal(amount)) for entry, amount in rows]


@pytest.mark.parametrize("again", ["0", "0.1", "0.2"])
@pytest.mark.parametrize("first", ["0", "0.1", "0.2"])
def test_a_hold_is_resolved_at_most_once(ledger_of, task_id, first, again):
    ledger.settle(task_id=task_id, captured=Decimal(first))
    before = ledger_of(task_id)

    with pytest.raises(IntegrityError), transaction.atomic():
        ledger.settle(task_id=task_id, captured=Decimal(again))
    assert ledger_of(task_id) == before


@pytest.mark.parametrize("captured", ["0.2001", "-0.0001", "1000"])
def test_no_more_is_captured_than_is_held_and_nothing_negative(ledger_of, task_id, captured):
    with pytest.raises(ValueError, match="cannot capture"):
        ledger.settle(task_id=task_id, captured=Decimal(captured))
    assert ledger_of(task_id) == [("hold", PRICE)]


def test_a_task_is_held_for_once(task_id):
    held = UsageCost.objects.get()

    with pytest.raises(IntegrityError), transaction.atomic():
        hold(key=held.key, task_id=task_id, task_kind=held.task_kind, model=held.model, amount=PRICE)


def test_what_was_never_held_cannot_be_settled(db):
    with pytest.raises(UsageCost.DoesNotExist):
        ledger.settle(task_id=new_task_id(), captured=Decimal(0))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda row: row.save(), id="save"),
        pytest.param(lambda row: row.save(update_fields=["amount"]), id="save a field"),
        pytest.param(lambda row: row.delete(), id="delete"),
        pytest.param(lambda row: UsageCost.objects.update(amount=0), id="update all"),
        pytest.param(lambda row: UsageCost.objects.filter(pk=row.pk).update(amount=0), id="update some"),
        pytest.param(lambda row: UsageCost.objects.all().delete(), id="delete all"),
        pytest.param(lambda row: UsageCost.objects.bulk_update([row], ["amount"]), id="update in bulk"),
        pytest.param(lambda row: UsageCost.objects.update_or_create({"amount": 0}, pk=row.pk), id="update or create"),
        pytest.param(lambda row: row.key.usage_costs.all().delete(), id="delete a key's"),
    ],
)
def test_a_ledger_row_is_never_changed_or_deleted(ledger_of, task_id, change):
    row = UsageCost.objects.get()
    row.amount = Decimal(0)

    with pytest.raises(TypeError, match="never"), transaction.atomic():
        change(row)
    assert ledger_of(task_id) == [("hold", PRICE)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE keys_usagecost SET amount = 0",
        "UPDATE keys_usagecost SET why = 'because'",
        "DELETE FROM keys_usagecost",
        pytest.param("SET CONSTRAINTS ALL IMMEDIATE; TRUNCATE keys_usagecost", marks=pytest.mark.skipif(ON_SQLITE, reason="it has none")),
    ],
)
def test_the_database_itself_refuses_to_change_or_delete_one(ledger_of, task_id, statement):
    with pytest.raises(DatabaseError, match="never changed or deleted"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)

    assert ledger_of(task_id) == [("hold", PRICE)]


@pytest.mark.parametrize(("field", "value"), [("amount", Decimal("-0.0001")), ("entry", "gift")])
def test_the_database_refuses_a_row_that_is_no_movement_of_money(task_id, field, value):
    key = UsageCost.objects.get().key
    row = {"key": key, "task_id": new_task_id(), "task_kind": "x", "model": "x", "entry": "hold", "amount": PRICE} | {field: value}

    with pytest.raises(IntegrityError), transaction.atomic():
        UsageCost.objects.create(**row)


def resolved(task_id, captured):
    ledger.settle(task_id=task_id, captured=Decimal(captured))
    return task_id


@pytest.fixture
def budget(task_id):
    """A budget of the task's key, made after its hold: it counts what the ledger says."""
    return budget_owners.add_budget(UsageCost.objects.get().key, {"period": "total", "amount": Decimal(10)}, who="root")


@pytest.mark.parametrize(("amount", "back"), [(None, "0.2"), ("0.2", "0.2"), ("0.0001", "0.0001")])
def test_a_refund_gives_back_what_was_charged_or_a_part_and_says_who_and_why(ledger_of, task_id, amount, back):
    resolved(task_id, "0.2")

    assert ledger.refund(task_id=task_id, amount=amount and Decimal(amount), who="root", why="it was blue").amount == Decimal(back)

    assert ledger_of(task_id)[2:] == [("refund", Decimal(back))]
    row = UsageCost.objects.get(entry="refund")
    assert (row.who, row.why, row.model, row.task_kind) == ("root", "it was blue", "minimax-video", "video_generation")


@pytest.mark.parametrize(("captured", "amount"), [("0", None), ("0.1", "0.1001"), ("0.2", "0"), ("0.2", "-0.1")])
def test_no_more_is_refunded_than_was_charged_and_nothing_negative(ledger_of, task_id, captured, amount):
    resolved(task_id, captured)
    before = ledger_of(task_id)

    with pytest.raises(ValueError, match=r"cannot refund|nothing was charged"):
        ledger.refund(task_id=task_id, amount=amount and Decimal(amount), who="root", why="")
    assert ledger_of(task_id) == before


def test_what_is_held_and_not_charged_yet_cannot_be_refunded(task_id):
    with pytest.raises(ValueError, match="nothing was charged"):
        ledger.refund(task_id=task_id, who="root", why="")


def test_a_task_is_refunded_once(ledger_of, task_id):
    ledger.refund(task_id=resolved(task_id, "0.2"), amount=Decimal("0.1"), who="root", why="")
    before = ledger_of(task_id)

    with pytest.raises(IntegrityError), transaction.atomic():
        ledger.refund(task_id=task_id, amount=Decimal("0.1"), who="root", why="")
    assert ledger_of(task_id) == before


def test_a_credit_leaves_more_of_a_budget_and_an_adjustment_either(budget):
    ledger.credit(key=budget.key, amount=Decimal("1.5"), who="root", why="sorry")
    ledger.adjust(key=budget.key, amount=Decimal("2"), who="root", why="a video made by hand")
    ledger.adjust(key=budget.key, amount=Decimal("-0.0001"), who="root", why="a rounding")

    window = budget.windows.get()
    assert (window.held, window.spent) == (PRICE, Decimal("0.4999"))
    rows = UsageCost.objects.filter(task_id=None).order_by("id")
    assert [(row.entry, row.amount, row.who) for row in rows] == [
        ("credit", Decimal("1.5"), "root"),
        ("adjustment", Decimal("2"), "root"),
        ("adjustment", Decimal("-0.0001"), "root"),
    ]


@pytest.mark.parametrize("amount", ["0", "-1"])
def test_a_credit_gives_something(budget, amount):
    with pytest.raises(ValueError, match="gives something"):
        ledger.credit(key=budget.key, amount=Decimal(amount), who="root", why="")


def test_a_refund_is_given_back_to_the_budgets_that_count_the_charge_those_made_after_it_too(budget, task_id):
    spent = new_task_id()
    hold(key=budget.key, task_id=spent, task_kind="video_generation", model="minimax-video", amount=PRICE)
    resolved(spent, "0.2")

    ledger.refund(task_id=spent, amount=Decimal("0.15"), who="root", why="")
    ledger.refund(task_id=resolved(task_id, "0.2"), who="root", why="from before there was a budget")

    window = budget.windows.get()
    assert (window.held, window.spent) == (0, Decimal("0.05"))


@pytest.fixture
def ledger_of(request):
    """The shared fixture; in this file its name would hide the room's module."""
    return request.getfixturevalue("ledger")
