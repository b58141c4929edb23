import pytest

from keys import owners
from keys.budgets import states
from keys.forms import BudgetForm
from keys.models import Budget

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def test_a_total_keeps_what_was_spent_whatever_time_zone_it_is_given(consumer):
    owners.set_budgets(consumer.key, [{"period": "total", "amount": "0.20"}], who="an administrator")
    consumer.generate()

    owners.set_budgets(consumer.key, [{"period": "total", "time_zone": "Europe/Berlin", "amount": "0.20"}], who="an administrator")

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
