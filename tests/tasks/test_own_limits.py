"""Tasks beyond what their key may have in flight, where it says that they wait."""

from datetime import timedelta
from decimal import Decimal

import pytest

from conduit import clock
from keys.models import VirtualKey
from keys.services import change_key
from tasks import own_limits
from tasks.models import Task
from tests.support.ending import end

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

PATH = "/v1/video/generations"


@pytest.fixture
def two_at_once(consumer):
    change_key(consumer.key, who="root", tasks_in_flight=2, over_limit="queue", queue_max=3)
    return consumer


def standing(consumer, *ids):
    shown = [consumer.task(task_id) for task_id in ids]
    return [(task["status"], task["stage"], task["waiting_for"], task["queue_position"]) for task in shown]


def refused(answer):
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "concurrency_limit_exceeded")
    return answer.json()["error"]["message"]


def test_tasks_beyond_those_in_flight_wait_in_their_order_up_to_as_many_as_may(two_at_once):
    ids = [two_at_once.generate()["task_id"] for _ in range(2)]
    held = [two_at_once.generate() for _ in range(3)]

    assert "3 wait now" in refused(two_at_once.post(PATH, {"model": "minimax-video", "prompt": "a cat"}))
    assert [(task["stage"], task["waiting_for"]) for task in held] == [("queued", "own_limit")] * 3
    assert [task["queue_position"] for task in held] == [1, 2, 3]
    assert standing(two_at_once, *ids) == [("queued", "queued", None, None)] * 2
    assert two_at_once.get("/v1/key").json()["in_flight"] == 2
    assert held[0]["eta_seconds"] < held[2]["eta_seconds"]
    assert not Task.objects.over_limit().filter(next_step_at__lt=clock.now() + timedelta(days=1)).exists()


def test_the_oldest_goes_on_when_one_in_flight_has_ended_and_the_others_move_up(two_at_once, time_travel):
    time_travel.move_to(clock.now())
    first, _, third, fourth, fifth = (two_at_once.generate()["task_id"] for _ in range(5))
    own_limits.go_on(clock.now())
    assert Task.objects.over_limit().count() == 3

    end(first, "failed")
    time_travel.shift(3600)
    own_limits.go_on(clock.now())

    waits = ("queued", "queued", "own_limit")
    assert standing(two_at_once, third, fourth, fifth) == [("queued", "queued", None, None), (*waits, 1), (*waits, 2)]
    gone_on = Task.objects.get(pk=third)
    assert gone_on.next_step_at <= clock.now()
    # Our limits of time count from now.
    assert timedelta(minutes=59) < gone_on.paused_for < timedelta(minutes=61)


def test_one_that_is_cancelled_while_it_waits_costs_nothing_and_lets_the_others_move_up(two_at_once, ledger):
    ids = [two_at_once.generate()["task_id"] for _ in range(5)]

    assert two_at_once.delete(f"{PATH}/{ids[3]}").json()["cost"]["charged"] == "0.0000"
    own_limits.go_on(clock.now())

    assert [amount for _, amount in ledger(ids[3])] == [Decimal("0.2"), 0, Decimal("0.2")]
    assert [task["queue_position"] for task in map(two_at_once.task, (ids[2], ids[3], ids[4]))] == [1, None, 2]


def test_a_new_task_does_not_overtake_those_that_wait(two_at_once):
    ids = [two_at_once.generate()["task_id"] for _ in range(3)]
    end(ids[0], "failed")

    assert two_at_once.generate()["queue_position"] == 2


@pytest.mark.parametrize("change", [{"tasks_in_flight": None}, {"tasks_in_flight": 9}])
def test_a_limit_that_is_lifted_lets_all_go_on(two_at_once, change):
    for _ in range(5):
        two_at_once.generate()

    change_key(VirtualKey.objects.get(), who="root", **change)
    own_limits.go_on(clock.now())

    assert not Task.objects.over_limit().exists()
    assert Task.objects.due(clock.now(), "provider").count() == 5


def test_the_event_of_a_task_that_waits_says_so(two_at_once):
    for _ in range(2):
        two_at_once.generate()
    held = two_at_once.generate()["task_id"]

    event = Task.objects.get(pk=held).events.get()

    assert (event.facts["waits_for"], event.facts["queue_position"]) == ("own_limit", 1)
