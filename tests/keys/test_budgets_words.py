"""What a caller is told whose request a budget refuses: what happened, what is left, when to come back."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction

from conduit import statements
from keys import budget_owners, budgets, ledger
from keys.services import create_key

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

NOON = datetime(2026, 3, 11, 12, tzinfo=UTC)  # a Wednesday


def budget(period, amount, **fields):
    return {"period": period, "amount": Decimal(amount), **fields}


def give(owner, *wanted):
    budget_owners.set_budgets(owner, list(wanted), who="root")


def refusal(key, price):
    with pytest.raises(budgets.InsufficientQuota) as refused, transaction.atomic():
        statements.run(budgets.taking(key, Decimal(price), NOON))
    return refused.value.message


@pytest.fixture
def key(time_travel):
    time_travel.move_to(NOON, tick=False)
    key, _ = create_key(name="ann", budgets=[budget("daily", "1")], who="root")
    key.refresh_from_db()
    return key


def test_a_price_above_the_whole_budget_is_said_to_fit_never(key):
    give(key, budget("daily", "1"), budget("total", "1.5"))

    assert refusal(key, "1.2") == (
        "This key's daily budget of 1.00 USD has 1.00 USD left and this request costs 1.20 USD. "
        "It never fits: no request may cost more than the whole budget of 1.00 USD. "
        "A shorter or smaller video costs less; your quota can be raised by an administrator."
    )


def test_a_raise_is_named_with_its_end_and_what_the_budget_is_then(key):
    give(key, budget("daily", "1", raised_to=Decimal(2), raised_until=NOON + timedelta(hours=5)))
    ledger.adjust(key=key, amount=Decimal("1.9"), who="root", why="")

    assert refusal(key, "0.2") == (
        "This key's daily budget of 2.00 USD has 0.10 USD left and this request costs 0.20 USD. "
        "The budget is raised until 2026-03-11 17:00 UTC, and is 1.00 USD from then on. "
        "The budget resets at 2026-03-12 00:00 UTC; your quota can be raised by an administrator."
    )


def test_what_is_only_held_is_named_where_it_would_be_enough(key, consumer):
    give(consumer.key, budget("daily", "0.3"))
    consumer.generate()
    consumer.key.refresh_from_db()

    assert "0.20 USD is held by tasks under way; what they do not cost comes back when they end." in refusal(consumer.key, "0.2")
    ledger.adjust(key=consumer.key, amount=Decimal("0.15"), who="root", why="")
    assert "held" not in refusal(consumer.key, "0.2")
