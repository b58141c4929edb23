"""Creates that meet on the event loop, and with those of threads: budgets, limits, claims and positions hold as everywhere."""

from collections import Counter
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from conduit.api.models import KeptAnswer
from keys.models import BudgetAlert, BudgetWindow, Period, Team, UsageCost, VirtualKey
from tasks.models import Feed, Task, TaskEvent
from tests.support.quick_creates import GOOD, at_once, ordinarily
from tests.support.racing import in_threads
from videos.models import Video

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite keeps the ordinary way"),
]

PRICE, CREATES, ROOM = Decimal("0.2"), 64, 10


def posts(consumers, count=CREATES, **headers):
    return [(consumers[number % len(consumers)].secret, GOOD, headers) for number in range(count)]


def statuses(answers):
    assert all(answer.went_on is None for answer in answers)
    return Counter(answer.status_code for answer in answers)


def the_ledger_adds_up():
    said = StringIO()
    call_command("check_ledger", stdout=said)
    assert "adds up" in said.getvalue()


def positions_are_dense():
    for key_id, position in Feed.objects.values_list("key_id", "position"):
        found = TaskEvent.objects.filter(key=key_id).order_by("position").values_list("position", flat=True)
        assert list(found) == list(range(1, position + 1))


def test_sixty_four_at_once_get_what_a_keys_budget_holds(make_consumer):
    consumer = make_consumer("ann")
    VirtualKey.objects.update(creates_per_minute=1000)
    budget = consumer.key.budgets.create(period=Period.DAILY, time_zone="Europe/Berlin", amount=ROOM * PRICE)

    answers = at_once(posts([consumer]))

    assert statuses(answers) == {202: ROOM, 402: CREATES - ROOM}
    assert budget.windows.get().held == ROOM * PRICE
    assert Task.objects.count() == Video.objects.count() == UsageCost.objects.count() == ROOM
    assert sorted(BudgetAlert.objects.values_list("percent", flat=True)) == [50, 75, 90]
    the_ledger_adds_up()
    positions_are_dense()


def test_sixty_four_of_a_team_at_once_get_what_its_budget_holds_with_some_of_them_in_threads(make_consumer):
    team = Team.objects.create(name="film")
    consumers = [make_consumer(f"key {number}") for number in range(8)]
    VirtualKey.objects.update(team=team, creates_per_minute=1000, tasks_in_flight=100, tasks_per_hour=100)
    team.budgets.create(period=Period.MONTHLY, amount=ROOM * PRICE)
    consumers[0].key.refresh_from_db()
    consumers[0].key.budgets.create(period=Period.TOTAL, amount=ROOM * PRICE)

    on_loop, *in_thread = in_threads(
        lambda: at_once(posts(consumers)), *[lambda number=number: ordinarily(consumers[number]) for number in range(8)]
    )

    found = statuses(on_loop) + Counter(answer.status_code for answer in in_thread)
    assert found == {202: ROOM, 402: CREATES + 8 - ROOM}
    assert BudgetWindow.objects.get(budget__team=team).held == ROOM * PRICE
    the_ledger_adds_up()
    positions_are_dense()


def test_sixty_four_at_once_are_as_many_tasks_in_flight_as_may_be(make_consumer):
    consumer = make_consumer("ann")
    VirtualKey.objects.update(creates_per_minute=1000, tasks_in_flight=ROOM, tasks_per_hour=ROOM + 5)

    assert statuses(at_once(posts([consumer]))) == {202: ROOM, 429: CREATES - ROOM}
    assert Task.objects.count() == ROOM
    positions_are_dense()


def test_sixteen_at_once_with_one_idempotency_key_are_one_task_and_one_answer_with_some_of_them_in_threads(make_consumer):
    consumer = make_consumer("ann")

    on_loop, *in_thread = in_threads(
        lambda: at_once(posts([consumer], 16, idempotency_key="k")),
        *[lambda: ordinarily(consumer, idempotency_key="k")] * 4,
    )

    answers = [*on_loop, *in_thread]
    assert {answer.status_code for answer in answers} == {202}
    assert len({(answer.content, answer.headers["Location"]) for answer in answers}) == 1
    assert sum(answer.headers.get("Idempotent-Replayed") == "true" for answer in answers) == len(answers) - 1
    assert Task.objects.count() == Video.objects.count() == KeptAnswer.objects.count() == 1


def test_many_keys_at_once_wait_for_nobody(make_consumer):
    consumers = [make_consumer(f"key {number}") for number in range(32)]

    assert statuses(at_once(posts(consumers))) == {202: CREATES}
    the_ledger_adds_up()
    positions_are_dense()
