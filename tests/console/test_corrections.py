"""Refunds, credits and adjustments, which an administrator adds to the ledger."""

from decimal import Decimal

import pytest
from django.core.management import call_command

from keys import owners
from keys.models import AuditEntry, BudgetWindow, UsageCost
from tests.support.ending import end

pytestmark = pytest.mark.django_db


@pytest.fixture
def charged(consumer):
    """A task that was charged 0.20 USD against a budget."""
    owners.set_budgets(consumer.key, [{"period": "total", "amount": Decimal(5)}], who="root")
    return end(consumer.generate()["task_id"], "completed")


@pytest.fixture
def correct(admin):
    def send(**form):
        return admin.post("/admin/keys/usagecost/add/", {"why": "blurred"} | form).content.decode()

    return send


def spent():
    return BudgetWindow.objects.get().spent


def added():
    rows = UsageCost.objects.filter(entry__in=["refund", "credit", "adjustment"])
    return [(row.entry, row.amount, row.who, row.why) for row in rows]


def test_a_refund_gives_the_charge_back_to_the_budget_and_says_who_and_why(correct, charged):
    correct(entry="refund", task_id=charged.pk, amount="0.2")

    assert added() == [("refund", Decimal("0.2"), "root", "blurred")]
    assert spent() == 0
    entry = AuditEntry.objects.first()
    assert (entry.who, entry.action, entry.target) == ("root", "refund", f"key:{charged.key_id}")
    assert entry.changes == {"amount": "0.2000", "task_id": str(charged.pk), "why": "blurred"}
    call_command("check_ledger")


@pytest.mark.parametrize(
    ("entry", "amount", "left"), [("credit", "1", "-0.8"), ("adjustment", "1", "1.2"), ("adjustment", "-0.05", "0.15")]
)
def test_a_key_is_credited_or_adjusted(correct, charged, entry, amount, left):
    correct(entry=entry, key=charged.key_id, amount=amount)

    assert added() == [(entry, Decimal(amount), "root", "blurred")]
    assert spent() == Decimal(left)
    call_command("check_ledger")


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"entry": "refund", "amount": "0.2"}, "needs the id of a task"),
        ({"entry": "refund", "amount": "0.3", "task": True}, "was charged 0.2000 USD"),
        ({"entry": "refund", "amount": "0", "task": True}, "was charged 0.2000 USD"),
        ({"entry": "refund", "amount": "-0.1", "task": True}, "was charged 0.2000 USD"),
        ({"entry": "credit", "amount": "1"}, "needs a key"),
        ({"entry": "credit", "amount": "-1", "key": True}, "more than 0"),
        ({"entry": "adjustment", "amount": "1", "key": True, "task": True}, "leave this empty"),
        ({"entry": "capture", "amount": "1", "key": True}, "not one of the available choices"),
        ({"entry": "credit", "amount": "1", "key": True, "why": ""}, "required"),
    ],
)
def test_what_is_no_correction_is_refused(correct, charged, form, words):
    named = {"key": charged.key_id} if form.pop("key", None) else {}
    named |= {"task_id": charged.pk} if form.pop("task", None) else {}

    assert words in correct(**form, **named)
    assert added() == []
    assert spent() == Decimal("0.2")


def test_a_task_is_refunded_once(correct, charged):
    correct(entry="refund", task_id=charged.pk, amount="0.1")

    assert "given once" in correct(entry="refund", task_id=charged.pk, amount="0.1")
    assert len(added()) == 1


def test_a_task_that_cost_nothing_is_not_refunded(correct, consumer):
    failed = end(consumer.generate()["task_id"], "failed")

    assert "needs the id of a task that was charged" in correct(entry="refund", task_id=failed.pk, amount="0.1")
