"""Many creates at once, from many processes, against budgets that hold a few of them."""

from collections import Counter
from decimal import Decimal
from io import StringIO
from statistics import median
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command

from conduit.database import LOCK_SECONDS
from keys.models import BudgetAlert, Period, Team, UsageCost
from keys.services import create_key
from tasks import lifecycle
from tasks.models import Status, Task
from tests.support.crowds import at_once
from tests.support.marks import soak_on_sqlite
from tests.support.racing import in_threads

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.sqlite]

PRICE = Decimal("0.2")
CREATES, PROCESSES, ROOM = 64, 4, 10
# The discard port: nothing listens there.
NO_REDIS = {"REDIS_URL": "redis://127.0.0.1:9/0", "LIMITS_FAIL_OPEN": "true"}
LIMITS = {"creates_per_minute": 1000, "creates_per_day": 1000, "tasks_in_flight": 1000, "tasks_per_hour": 1000}


def give_budgets(owner: Any, amount: Decimal) -> None:
    for period in Period.values:
        owner.budgets.create(period=period, amount=amount, time_zone="Europe/Berlin")


def the_ledger_adds_up() -> bool:
    said = StringIO()
    call_command("check_ledger", stdout=said)
    return "adds up" in said.getvalue()


def the_room_was_kept(answers: list[dict[str, Any]]) -> None:
    """Exactly as many were accepted as there was room for, all others were told of their quota, and none waited long."""
    assert Counter((answer["status"], answer["code"]) for answer in answers) == {
        (202, None): ROOM,
        (402, "insufficient_quota"): len(answers) - ROOM,
    }
    assert all("quota" in answer["message"] for answer in answers if answer["status"] == 402)
    assert Task.objects.count() == ROOM
    assert UsageCost.objects.count() == ROOM
    assert the_ledger_adds_up()
    assert {alert.percent for alert in BudgetAlert.objects.all()} == {50, 75, 90}
    # Who had to wait for a lock for LOCK_SECONDS would be a 503. Of a crowd on a machine that is busy besides, all are slow alike.
    seconds = [answer["seconds"] for answer in answers]
    assert max(seconds) < max(LOCK_SECONDS, 5 * median(seconds))


@pytest.mark.parametrize(
    ("creates", "environment"),
    [
        pytest.param(CREATES, {}, id="with Redis"),
        pytest.param(16, NO_REDIS, id="a few without Redis"),
        pytest.param(CREATES, NO_REDIS, id="without Redis", marks=pytest.mark.soak),
    ],
)
def test_of_creates_at_once_against_a_budget_for_ten_exactly_ten_are_accepted(creates, environment):
    key, secret = create_key(name="ann", **LIMITS)
    give_budgets(key, ROOM * PRICE)

    answers = at_once([secret] * creates, processes=PROCESSES, **environment)

    the_room_was_kept(answers)


@soak_on_sqlite
def test_of_64_creates_by_the_keys_of_a_team_exactly_as_many_are_accepted_as_its_budget_holds():
    team = Team.objects.create(name="film")
    give_budgets(team, ROOM * PRICE)
    secrets = []
    for number in range(PROCESSES):
        key, secret = create_key(name=f"key {number}", team=team, **LIMITS)
        give_budgets(key, CREATES * PRICE)
        secrets.append(secret)

    answers = at_once([secrets[number % PROCESSES] for number in range(CREATES)], processes=PROCESSES)

    the_room_was_kept(answers)


@soak_on_sqlite
def test_of_many_creates_at_once_exactly_as_many_are_accepted_as_may_be_in_flight():
    _, secret = create_key(name="ann", tasks_in_flight=3)

    answers = at_once([secret] * 16, processes=4)

    assert Counter((answer["status"], answer["code"]) for answer in answers) == {(202, None): 3, (429, "concurrency_limit_exceeded"): 13}
    assert the_ledger_adds_up()


def test_creates_cancels_and_ends_of_one_team_at_once_never_wait_for_each_other_in_a_circle(make_consumer):
    team = Team.objects.create(name="film")
    give_budgets(team, 100 * PRICE)
    consumers = [make_consumer(f"key {number}") for number in range(3)]
    for consumer in consumers:
        consumer.key.team = team
        consumer.key.save(update_fields=["team"])
        give_budgets(consumer.key, 50 * PRICE)

    def work(number: int) -> None:
        consumer = consumers[number % len(consumers)]
        for turn in range(6):
            task_id = consumer.generate()["task_id"]
            if turn % 2:
                assert consumer.delete(f"/v1/video/generations/{task_id}").status_code == 200
            else:
                assert lifecycle.move(UUID(task_id), Status.PROCESSING)
                assert lifecycle.move(UUID(task_id), Status.COMPLETED, progress=100)

    in_threads(*[lambda number=number: work(number) for number in range(6)])

    assert Counter(Task.objects.values_list("status", flat=True)) == {"cancelled": 18, "completed": 18}
    assert the_ledger_adds_up()


def test_a_budget_is_given_back_what_a_cancel_releases_while_others_wait_for_it(make_consumer):
    consumer = make_consumer()
    consumer.key.budgets.create(period=Period.TOTAL, amount=PRICE)
    first = consumer.generate()["task_id"]

    cancelled, created = in_threads(
        lambda: consumer.delete(f"/v1/video/generations/{first}").status_code,
        lambda: consumer.post("/v1/video/generations", {"model": "minimax-video", "prompt": "a cat"}).status_code,
    )

    assert cancelled == 200
    assert created in (202, 402)
    assert Task.objects.active().count() == (1 if created == 202 else 0)
    assert the_ledger_adds_up()
