"""Moments and time zones that are well formed, and that no budget can live with."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from keys import budget_owners, budgets
from keys.models import Budget
from tests.support.envelopes import refused
from tests.support.managing import make_manager

pytestmark = pytest.mark.django_db

RAISED = {"period": "daily", "amount": "0.1", "raised_to": "0.15"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"expires_at": "9999-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "9998-12-31T23:59:59-00:01"}, "expires_at"),
        ({"budgets": [RAISED | {"raised_until": "9999-12-31T23:59:59Z"}]}, "budgets.0.raised_until"),
    ],
)
def test_an_end_in_the_calendars_last_year_is_refused_since_some_zones_cannot_write_it(body, param):
    message = refused(make_manager()("POST", "keys", {"name": "ann"} | body), 400, "invalid_request", param)

    assert "before the year 9999" in message


def test_a_raise_that_ends_as_late_as_may_be_is_told_in_the_zone_that_is_furthest_ahead(consumer):
    end = datetime(9998, 12, 31, 23, 59, tzinfo=UTC)
    wanted = {
        "period": "daily",
        "time_zone": "Pacific/Kiritimati",
        "amount": Decimal("0.1"),
        "raised_to": Decimal("0.15"),
        "raised_until": end,
    }
    budget_owners.set_budgets(consumer.key, [wanted], who="root")

    answer = consumer.post("/v1/video/generations", {"model": "minimax-video", "prompt": "a cat"})

    assert "raised until 9999-01-01 13:59 Pacific/Kiritimati" in refused(answer, 402, "insufficient_quota")


@pytest.mark.parametrize("name", ["localtime", "posixrules", "Factory", "right/UTC", "posix/Europe/Berlin"])
def test_a_zone_that_is_another_on_the_next_machine_is_refused(name):
    with pytest.raises(ValidationError, match="not a time zone"):
        budgets.check_time_zone(name)


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "Etc/GMT+12", "US/Pacific", "America/Argentina/Ushuaia"])
def test_every_zone_of_the_world_is_taken_by_its_name_and_its_old_one(name):
    budgets.check_time_zone(name)
    begins, resets = budgets.period_of(Budget(period="daily", time_zone=name), datetime(2026, 7, 1, 12, tzinfo=UTC))
    assert resets - begins == timedelta(days=1)
