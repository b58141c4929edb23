"""Budgets, keys and accounts are told of, once for each time"""

from datetime import timedelta
from decimal import Decimal

import pytest

from conduit import clock
from keys import budget_owners
from keys.models import BudgetAlert, Team
from keys.services import change_key, create_key
from tasks.notifications.models import Delivery, Message
from tests.conftest import Consumer
from videos.account_models import ProviderAccount

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


@pytest.fixture(autouse=True)
def looks_each_time(monkeypatch):
    """What is found by looking now and then is found by each look."""
    monkeypatch.setattr("tasks.notifications.outbox.FanOut._is_due", lambda self, source: True)


def test_a_budgets_thresholds_are_told_once_each_and_again_when_it_was_raised(receiver, make_endpoint, sends):
    team = Team.objects.create(name="film")
    consumer = Consumer(*create_key(name="ann", team=team, budgets=[{"period": "total", "amount": Decimal("0.40")}]))
    for path, owner in (("/key", {"key": consumer.key}), ("/team", {"team": team}), ("/place", {})):
        make_endpoint(path, "budget.threshold", **owner)
    consumer.generate()
    sends()
    assert sorted(one.path for one in receiver.received) == ["/key", "/place", "/team"]
    data = receiver.received[0].event["data"]
    assert {name: data[name] for name in ("object", "scope", "period", "percent", "limit", "held")} == {
        "object": "budget", "scope": "key", "period": "total", "percent": 50, "limit": "0.4000", "held": "0.2000",
    }  # fmt: skip
    assert data["key"] == {"id": consumer.key.pk, "name": "ann"}

    consumer.generate()
    sends()
    # Those of one moment come in any order.
    assert sorted(one.event["data"]["percent"] for one in receiver.received if one.path == "/key") == [50, 75, 90]

    budget_owners.set_budgets(consumer.key, [{"period": "total", "time_zone": "UTC", "amount": Decimal("0.50")}], who="root")
    sends()
    told = [(one.event["data"]["percent"], one.event["data"]["limit"]) for one in receiver.received if one.path == "/key"]
    assert sorted(told[3:]) == [(50, "0.5000"), (75, "0.5000")]
    assert not BudgetAlert.objects.filter(is_to_be_told=True).exists()


def test_a_key_that_will_end_is_told_of_once_and_again_when_its_end_was_moved(consumer, receiver, make_endpoint, sends, hour):
    make_endpoint("/a", "key.expiring", key=consumer.key)
    hour(1)
    end = clock.now() + timedelta(days=8)
    change_key(consumer.key, who="root", expires_at=end)
    sends()
    assert receiver.received == []

    hour(25)
    sends()
    sends()
    [told] = receiver.received
    assert (told.event["data"]["id"], told.event["data"]["name"]) == (str(consumer.key.pk), "somebody")

    change_key(consumer.key, who="root", expires_at=end + timedelta(hours=3))
    hour(4)
    sends()
    assert len(receiver.received) == 2


def test_an_account_that_is_set_aside_is_told_to_the_place_alone_once_for_each_time(consumer, receiver, make_endpoint, sends, hour):
    make_endpoint("/place", "account.unavailable")
    hour(1)
    account = ProviderAccount.objects.create(
        name="main", kind="minimax_v1", cause="account_balance", since=clock.now(), code=1008, said="insufficient balance"
    )
    sends()
    sends()
    [told] = receiver.received
    assert told.event["data"]["provider_code"] == 1008
    assert told.event["data"]["name"] == "main"

    ProviderAccount.objects.filter(pk=account.pk).update(since=clock.now())
    sends()
    assert len(receiver.received) == 2


def test_progress_is_told_to_whoever_asked_for_it_and_each_figure_once(consumer, receiver, make_endpoint, sends, hour):
    from tasks import lifecycle
    from tasks.models import Status

    make_endpoint("/a", "task.progress", key=consumer.key)
    hour(0)
    task_id = consumer.generate(webhook_url=f"{receiver.url}/own", webhook_events=["task.progress"])["task_id"]
    other = consumer.generate()["task_id"]
    leg = {"leg_goal": 90, "leg_seconds": 100.0, "rest_seconds": 10.0}
    for one in (task_id, other):
        lifecycle.move(one, Status.PROCESSING, stage="generating", started_at=clock.now(), leg_started_at=clock.now(), **leg)
    hour(20 / 3600)
    sends()
    hour(20 / 3600)
    sends()

    figures = [one.event["data"]["progress"] for one in receiver.received if one.event["data"]["id"] == task_id and one.path == "/own"]
    assert len(figures) >= 2
    assert figures == sorted(set(figures))
    assert receiver.types("/a").count("task.progress") >= 4


def test_progress_is_told_as_it_was_when_the_message_was_made_however_late_it_is_sent(consumer):
    from tasks import lifecycle, progress, telling
    from tasks.models import Status, Task

    task_id = consumer.generate()["task_id"]
    leg = {"leg_goal": 90, "leg_seconds": 100.0, "rest_seconds": 10.0}
    lifecycle.move(task_id, Status.PROCESSING, stage="generating", started_at=clock.now(), leg_started_at=clock.now(), **leg)
    task, then = Task.objects.get(pk=task_id), clock.now() + timedelta(seconds=20)
    late = then + timedelta(seconds=20)
    message = Message(type="task.progress", source="progress", task_id=task.pk, happened_at=then)

    told = telling.data_of([message], late)[message.id]["progress"]

    assert told == progress.read(task, then).progress < progress.read(task, late).progress


def test_progress_that_nobody_received_is_not_tried_again(consumer, receiver, make_endpoint, sends, hour):
    from tasks import lifecycle
    from tasks.models import Status

    make_endpoint("/a", "task.progress", "task.completed", key=consumer.key)
    hour(0)
    receiver.answers["/a"] = 500
    task_id = consumer.generate()["task_id"]
    lifecycle.move(task_id, Status.PROCESSING, stage="generating", started_at=clock.now())
    sends()

    assert set(Delivery.objects.values_list("state", "attempts")) == {("failed", 1)}
    assert set(Message.objects.values_list("type", flat=True)) == {"task.progress"}
