"""Refunds, credits and adjustments, which an administrator adds to the ledger."""

import re
from decimal import Decimal
from uuid import uuid4

import pytest
from django.core.management import call_command

from conduit.api.errors import Conflict
from keys import budget_owners, corrections
from keys.models import AuditEntry, BudgetWindow, UsageCost
from tests.support.ending import end
from tests.support.racing import in_threads

pytestmark = pytest.mark.django_db


@pytest.fixture
def charged(consumer):
    """A task that was charged 0.20 USD against a budget."""
    budget_owners.set_budgets(consumer.key, [{"period": "total", "amount": Decimal(5)}], who="root")
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
        ({"entry": "credit", "amount": "0", "key": True}, "corrects nothing"),
        ({"entry": "adjustment", "amount": "0", "key": True}, "corrects nothing"),
        ({"entry": "adjustment", "amount": "0.00001", "key": True}, "no more than 4 decimal places"),
        ({"entry": "adjustment", "amount": "100000000", "key": True}, "no more than 8 digits before the decimal point"),
        ({"entry": "credit", "amount": "1e400", "key": True}, "no more than 12 digits"),
        ({"entry": "credit", "amount": "NaN", "key": True}, "Enter a number"),
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


@pytest.mark.parametrize("entry", ["credit", "adjustment", "refund"])
def test_a_form_that_is_sent_twice_corrects_once(correct, charged, entry):
    form = {"entry": entry, "amount": "0.1", "form_id": uuid4()}
    form |= {"task_id": charged.pk} if entry == "refund" else {"key": charged.key_id}

    first, again = correct(**form), correct(**form)

    assert first == again == ""  # both were led on to the list
    assert len(added()) == 1
    assert AuditEntry.objects.filter(action=entry).count() == 1


def test_a_form_that_is_sent_again_with_something_else_in_it_is_told_so(correct, charged, admin):
    form_id = uuid4()
    correct(entry="credit", key=charged.key_id, amount="1", form_id=form_id)

    correct(entry="credit", key=charged.key_id, amount="2", form_id=form_id)

    assert len(added()) == 1
    assert "sent before with something else in it" in admin.get("/admin/keys/usagecost/add/").content.decode()


def test_each_new_form_has_an_id_of_its_own(admin, charged):
    pages = [admin.get("/admin/keys/usagecost/add/").content.decode() for _ in range(3)]

    ids = {re.search(r'name="form_id" value="([0-9a-f-]{36})"', page)[1] for page in pages}
    assert len(ids) == 3


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_of_forms_that_are_sent_at_the_same_moment_each_corrects_once(consumer):
    charged = end(consumer.generate()["task_id"], "completed")
    twice = uuid4()

    def refund(form_id):
        try:
            wanted = {"entry": "refund", "key": consumer.key, "amount": Decimal("0.2"), "task_id": charged.pk, "form_id": form_id}
            return corrections.correct(who="root", why="blurred", **wanted).pk
        except Conflict as error:
            return error.message

    first, again, other = in_threads(lambda: refund(twice), lambda: refund(twice), lambda: refund(uuid4()))

    assert len(added()) == 1
    assert first == again
    assert "refunded meanwhile" in str(other if isinstance(first, int) else first)


def test_sums_of_the_largest_amounts_still_fit_their_counters(correct, charged):
    for _ in range(3):
        correct(entry="adjustment", key=charged.key_id, amount="99999999.9999")
    for _ in range(7):
        correct(entry="credit", key=charged.key_id, amount="99999999.9999")

    assert spent() == Decimal("0.2") - 4 * Decimal("99999999.9999")
    call_command("check_ledger")
