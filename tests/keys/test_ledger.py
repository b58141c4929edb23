from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from keys import ledger
from keys.models import UsageCost
from keys.services import create_key
from tasks.ids import new_task_id

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

PRICE = Decimal("0.2000")


@pytest.fixture
def task_id():
    key, _ = create_key(name="ann")
    pk = new_task_id()
    ledger.hold(key=key, task_id=pk, task_kind="video_generation", model="minimax-video", amount=PRICE)
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
        ledger.hold(key=held.key, task_id=task_id, task_kind=held.task_kind, model=held.model, amount=PRICE)


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


@pytest.mark.parametrize(("field", "value"), [("amount", Decimal("-0.0001")), ("entry", "gift")])
def test_the_database_refuses_a_row_that_is_no_movement_of_money(task_id, field, value):
    key = UsageCost.objects.get().key
    row = {"key": key, "task_id": new_task_id(), "task_kind": "x", "model": "x", "entry": "hold", "amount": PRICE} | {field: value}

    with pytest.raises(IntegrityError), transaction.atomic():
        UsageCost.objects.create(**row)


@pytest.fixture
def ledger_of(request):
    """The shared fixture; in this file its name would hide the room's module."""
    return request.getfixturevalue("ledger")
