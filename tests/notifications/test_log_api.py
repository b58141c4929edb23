"""What was sent, by the API, and sending it again"""

import pytest

from conduit import clock
from keys.models import AuditEntry
from tasks.notifications import retention
from tasks.notifications.models import Delivery, Message, State, TaskTarget, Try
from tests.support.ending import end
from tests.support.envelopes import refused
from tests.support.managing import make_manager

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


@pytest.fixture
def failed(consumer, receiver, make_endpoint, sends, monkeypatch):
    """An endpoint with a delivery that was given up, one that arrived, and a test."""
    monkeypatch.setattr("tasks.notifications.outcomes.PAUSES", (0,))
    endpoint, _ = make_endpoint("/a", "task.queued", "task.cancelled", key=consumer.key)
    receiver.answers["/a"] = (500, {}, b"no\x00t now")
    consumer.generate()
    sends()
    receiver.answers["/a"] = 204
    consumer.generate()
    sends()
    consumer.post(f"/v1/webhook_endpoints/{endpoint.public_id}/test", {"event_type": "task.cancelled"})
    return endpoint


def path(endpoint, *more):
    return "/".join([f"/v1/webhook_endpoints/{endpoint.public_id}", *more])


def test_each_try_is_told_with_time_status_milliseconds_and_the_head_of_the_answer(consumer, failed):
    found = consumer.get(path(failed, "deliveries")).json()

    assert [(one["status"], one["event_type"], one["is_test"]) for one in found["data"]] == [
        ("delivered", "task.cancelled", True), ("delivered", "task.queued", False), ("failed", "task.queued", False),
    ]  # fmt: skip
    assert found["counts"] == {"pending": 0, "delivered": 2, "failed": 1}
    [tried] = found["data"][2]["tries"]
    assert (tried["status_code"], tried["problem"], tried["answer"]) == (500, "It answered 500.", "no t now")
    assert 0 <= tried["milliseconds"] < 10_000
    assert tried["at"].endswith("Z")


def test_the_log_can_be_narrowed_and_paged(consumer, failed):
    first = consumer.get(path(failed, "deliveries?limit=1")).json()
    second = consumer.get(path(failed, f"deliveries?limit=1&after={first['last_id']}")).json()

    assert (first["has_more"], second["data"][0]["id"]) == (True, first["last_id"] - 1)
    assert [one["status"] for one in consumer.get(path(failed, "deliveries?status=failed")).json()["data"]] == ["failed"]
    refused(consumer.get(path(failed, "deliveries?status=lost")), 400, "invalid_request", "status")
    refused(consumer.get(path(failed, "deliveries?after=0")), 400, "invalid_request", "after")


def test_one_is_sent_again_under_its_id(consumer, receiver, failed, sends):
    lost = Delivery.objects.get(state=State.FAILED)

    shown = consumer.post(path(failed, "deliveries", str(lost.pk), "redeliver")).json()
    sends()

    assert (shown["status"], shown["event_id"]) == ("pending", lost.message_id)
    assert receiver.received[-1].id == lost.message_id == receiver.received[0].id
    lost.refresh_from_db()
    assert (lost.state, lost.tries.count()) == (State.DELIVERED, 2)
    assert AuditEntry.objects.filter(action="send again").count() == 1


def test_all_that_failed_or_all_of_a_time_is_sent_again(consumer, receiver, failed, sends):
    assert consumer.post(path(failed, "redeliver"), {"status": "failed"}).json()["deliveries"] == 1
    sends()
    before = len(receiver.received)

    again = consumer.post(path(failed, "redeliver"), {"created_after": "2020-01-01T00:00:00Z"}).json()
    sends()

    assert again == {"object": "webhook_redelivery", "deliveries": 3, "has_more": False}
    assert len(receiver.received) - before == 3
    assert consumer.post(path(failed, "redeliver"), {"created_before": "2020-01-01T00:00:00Z"}).json()["deliveries"] == 0
    refused(consumer.post(path(failed, "redeliver"), {}), 400, "invalid_request", "status")


def test_a_disabled_endpoint_is_sent_nothing_again_before_it_is_enabled(consumer, failed):
    consumer.post(path(failed), {"enabled": False})

    refused(consumer.post(path(failed, "redeliver"), {"status": "failed"}), 409, "conflict")


def test_another_keys_log_is_not_there(make_consumer, failed):
    bob = make_consumer("bob")

    refused(bob.get(path(failed, "deliveries")), 404, "not_found", "webhook_endpoint_id")
    refused(bob.post(path(failed, "redeliver"), {"status": "failed"}), 404, "not_found", "webhook_endpoint_id")


def test_whoever_runs_the_place_reads_and_sends_again_too(failed, sends):
    manager = make_manager("ops")
    of = f"webhook_endpoints/{failed.public_id}"
    lost = Delivery.objects.get(state=State.FAILED)

    assert manager.done("GET", f"{of}/deliveries")["counts"]["failed"] == 1
    assert manager.done("POST", f"{of}/deliveries/{lost.pk}/redeliver")["status"] == "pending"
    sends()
    assert manager.done("POST", f"{of}/redeliver", {"status": "delivered"})["deliveries"] == 3
    refused(make_manager("r", scopes=["read"])("POST", f"{of}/redeliver", {"status": "failed"}), 403, "scope_not_allowed")


def test_a_tasks_own_webhooks_have_a_log_and_are_sent_again(make_consumer, receiver, sends):
    ann, bob = make_consumer("ann"), make_consumer("bob")
    task_id = ann.generate(webhook_url=f"{receiver.url}/mine")["task_id"]
    sends()
    place = f"/v1/tasks/{task_id}/webhook_deliveries"

    assert [one["event_type"] for one in ann.get(place).json()["data"]] == ["task.queued"]
    assert ann.post(f"{place}/redeliver", {"status": "delivered"}).json()["deliveries"] == 1
    sends()
    assert len({one.id for one in receiver.received}) == 1
    assert len(receiver.received) == 2
    refused(bob.get(place), 404, "task_not_found", "task_id")
    assert make_manager("ops").done("GET", f"tasks/{task_id}/webhook_deliveries")["counts"]["delivered"] == 1


def test_what_was_told_is_forgotten_after_its_time_and_what_is_waited_for_is_not(consumer, receiver, make_endpoint, sends, hour):
    make_endpoint("/a", "task.queued", key=consumer.key)
    receiver.answers["/a"] = 500
    consumer.generate()
    sends()
    end(consumer.generate(webhook_url=f"{receiver.url}/b")["task_id"], "failed")
    hour(24 * 15)

    retention.forget_old(clock.now())

    assert Message.objects.count() == Delivery.objects.values("message").distinct().count()
    assert set(Delivery.objects.values_list("state", flat=True)) <= {State.PENDING}
    assert (Try.objects.exclude(delivery__state=State.PENDING).exists(), TaskTarget.objects.exists()) == (False, False)
