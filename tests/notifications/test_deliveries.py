"""What happens to a task is told: to whom, in which order, how often, and what a receiver's trouble does to others"""

from datetime import timedelta
from uuid import UUID

import pytest

from conduit import clock
from conduit.api.formats import rfc3339
from keys.models import Team
from keys.services import create_key, delete_key
from tasks import steering
from tasks.models import TaskEvent
from tasks.notifications import outcomes, sending
from tasks.notifications.claims import claim
from tasks.notifications.models import Delivery, Endpoint, FailingHost, Message, State, Try
from tasks.notifications.outbox import FanOut
from tests.conftest import Consumer
from tests.notifications.test_signing import signed
from tests.support.ending import end
from tests.support.marks import SOAK_ON_SQLITE

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite, *SOAK_ON_SQLITE]

EVERYTHING = ("task.queued", "task.started", "task.completed", "task.failed", "task.cancelled", "video.completed", "video.failed")


def test_an_endpoint_is_told_of_what_it_asked_for_with_the_task_as_rest_shows_it(consumer, receiver, make_endpoint, sends):
    make_endpoint("/a", "video.completed", "task.completed", key=consumer.key)
    make_endpoint("/b", "task.queued", key=consumer.key)
    task_id = consumer.generate()["task_id"]
    end(task_id, "completed")

    sends()

    assert receiver.types("/a") == ["task.completed", "video.completed"]
    assert receiver.types("/b") == ["task.queued"]
    completed = next(one.event for one in receiver.received if one.path == "/a")
    queued = next(one.event for one in receiver.received if one.path == "/b")
    shown = consumer.task(task_id)
    assert completed["data"] == {"id": task_id, **shown}
    assert completed["data"]["result"]["video_url"].startswith("http")
    assert (queued["data"]["status"], queued["data"]["result"]) == ("queued", None)
    event = TaskEvent.objects.get(status="completed")
    assert (completed["object"], completed["type"]) == ("event", "task.completed")
    assert (completed["created_at"], completed["timestamp"]) == (int(event.created_at.timestamp()), rfc3339(event.created_at))


def test_teams_and_the_place_are_told_of_their_keys_and_others_are_not(receiver, make_endpoint, sends):
    film, other = Team.objects.create(name="film"), Team.objects.create(name="other")
    ann, bob = Consumer(*create_key(name="ann", team=film)), Consumer(*create_key(name="bob"))
    for path, owner in (("/place", {}), ("/film", {"team": film}), ("/other", {"team": other}), ("/bob", {"key": bob.key})):
        make_endpoint(path, "task.queued", **owner)

    ann.generate()
    sends()
    assert sorted(one.path for one in receiver.received) == ["/film", "/place"]

    bob.generate()
    sends()
    assert sorted(one.path for one in receiver.received[2:]) == ["/bob", "/place"]


def test_events_that_nobody_asked_for_leave_nothing(consumer, make_endpoint, sends):
    make_endpoint("/a", "budget.threshold", key=consumer.key)
    consumer.generate()

    assert not TaskEvent.objects.filter(is_to_be_told=True).exists()
    sends()
    assert (Message.objects.count(), Delivery.objects.count()) == (0, 0)


def test_an_endpoint_is_not_told_of_what_happened_before_it_was_there(consumer, receiver, make_endpoint, sends):
    make_endpoint("/old", "task.queued", key=consumer.key)
    consumer.generate()
    make_endpoint("/new", "task.queued", key=consumer.key)

    sends()

    assert [one.path for one in receiver.received] == ["/old"]


def test_a_failed_delivery_is_tried_again_at_the_times_that_are_told_under_the_same_id(consumer, receiver, make_endpoint, sends, hour):
    endpoint, _ = make_endpoint("/a", "task.queued", key=consumer.key)
    receiver.answers["/a"] = 500
    consumer.generate()
    sends()

    for pause in outcomes.PAUSES[1:]:
        delivery = Delivery.objects.get()
        waits = (delivery.next_try_at - clock.now()).total_seconds()
        assert pause - 2 <= waits <= pause * 1.1 + 2
        hour((pause * 1.1 + 1) / 3600)
        sends()

    assert len(receiver.received) == len(outcomes.PAUSES) == 10
    assert len({one.id for one in receiver.received}) == 1
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts, delivery.status_code, delivery.problem) == (State.FAILED, 10, 500, "It answered 500.")
    assert Try.objects.count() == 10
    endpoint.refresh_from_db()
    assert endpoint.disabled_at is None


def test_a_later_event_of_a_task_waits_for_the_earlier_one_and_other_tasks_do_not(consumer, receiver, make_endpoint, sends, hour):
    make_endpoint("/a", *EVERYTHING, key=consumer.key)
    receiver.answers["/a"] = 500
    first = consumer.generate("first")["task_id"]
    sends()
    end(first, "failed")
    sends()
    assert receiver.types() == ["task.queued"]

    receiver.answers["/a"] = 204
    consumer.generate("second")
    sends()

    # Its first success makes all that waits due at once.
    told = [(one.event["data"]["prompt"], one.event["type"]) for one in receiver.received]
    assert told[1] == ("second", "task.queued")
    assert [type for prompt, type in told if prompt == "first"] == ["task.queued", "task.queued", "task.failed", "video.failed"]
    assert not Delivery.objects.pending().exists()


@pytest.mark.parametrize("is_endpoint", [True, False])
def test_a_receiver_that_was_down_for_an_hour_has_everything_soon_after_it_is_back_and_in_order(
    consumer, receiver, make_endpoint, sends, hour, is_endpoint
):
    types = ["task.queued", "task.cancelled"]
    if is_endpoint:
        make_endpoint("/a", *types, key=consumer.key)
    own = {} if is_endpoint else {"webhook_url": f"{receiver.url}/a", "webhook_events": types}
    receiver.answers["/a"] = 503
    ids = []
    for _ in range(4):
        ids.append(consumer.generate(**own)["task_id"])
        sends()
        consumer.delete(f"/v1/video/generations/{ids[-1]}")
        hour(15 / 60)
        sends()
    tried = [row.attempts for row in Delivery.objects.all()]
    receiver.answers["/a"] = 204
    receiver.received.clear()

    hour(46 / 3600)
    sends()

    assert not Delivery.objects.pending().exists()
    assert len(receiver.received) == 8
    for task_id in ids:
        assert [one.event["type"] for one in receiver.received if one.event["data"]["task_id"] == task_id] == types
    assert max(tried) < 6
    assert not FailingHost.objects.exists()


def test_an_endpoint_that_fails_is_knocked_at_without_a_try_being_counted(consumer, receiver, make_endpoint, sends, hour):
    make_endpoint("/a", "task.queued", key=consumer.key)
    receiver.answers["/a"] = 503
    consumer.generate()
    for _ in range(3):
        sends()
        hour(331 / 3600)
    sends()
    attempts, came = Delivery.objects.get().attempts, len(receiver.received)

    for _ in range(3):
        hour(46 / 3600)
        sends()

    assert (Delivery.objects.get().attempts, len(receiver.received)) == (attempts, came + 3)
    assert Try.objects.count() == attempts


def test_a_receiver_may_ask_for_more_time(consumer, receiver, make_endpoint, sends):
    make_endpoint("/a", "task.queued", key=consumer.key)
    receiver.answers["/a"] = (503, {"Retry-After": "3600"}, b"later")
    consumer.generate()

    sends()

    assert 3500 < (Delivery.objects.get().next_try_at - clock.now()).total_seconds() < 3700
    [tried] = Try.objects.all()
    assert (tried.status_code, tried.head, tried.problem) == (503, "later", "It answered 503.")


def test_a_redirect_is_a_failure_and_is_not_followed(consumer, receiver, make_endpoint, sends):
    make_endpoint("/a", "task.queued", key=consumer.key)
    receiver.answers["/a"] = (302, {"Location": f"{receiver.url}/b"}, b"")
    consumer.generate()

    sends()

    assert [one.path for one in receiver.received] == ["/a"]
    assert "redirect" in Delivery.objects.get().problem


def test_410_gives_up_at_once_disables_the_endpoint_and_tells_the_others(consumer, receiver, make_endpoint, sends):
    gone, _ = make_endpoint("/gone", "task.queued", key=consumer.key)
    make_endpoint("/other", "webhook_endpoint.disabled", key=consumer.key)
    make_endpoint("/place", "webhook_endpoint.disabled")
    receiver.answers["/gone"] = 410
    consumer.generate()

    sends()

    gone.refresh_from_db()
    assert gone.disabled_at is not None
    assert sorted(one.path for one in receiver.received) == ["/gone", "/other", "/place"]
    assert Delivery.objects.get(endpoint=gone).state == State.FAILED
    told = next(one.event for one in receiver.received if one.path == "/other")
    assert (told["type"], told["data"]["id"]) == ("webhook_endpoint.disabled", gone.public_id)
    consumer.generate()
    sends()
    assert len(receiver.received) == 3


def test_an_endpoint_that_fails_for_five_days_is_disabled(consumer, receiver, make_endpoint, sends, hour):
    endpoint, _ = make_endpoint("/a", "task.queued", key=consumer.key)
    receiver.answers["/a"] = 500
    consumer.generate()
    sends()
    hour(119)
    consumer.generate()
    sends()
    endpoint.refresh_from_db()
    assert endpoint.disabled_at is None

    hour(2)
    consumer.generate()
    sends()

    endpoint.refresh_from_db()
    assert endpoint.disabled_for == "It failed for five days."
    assert not Delivery.objects.pending().exists()


def test_a_sender_that_dies_leaves_a_lease_that_lapses_and_another_sends_under_the_same_id(
    consumer, receiver, make_endpoint, sends, hour, settings
):
    make_endpoint("/a", "task.queued", key=consumer.key)
    consumer.generate()
    FanOut()()
    [lost] = claim(clock.now(), 10)
    sends()
    assert receiver.received == []

    hour((settings.LEASE_SECONDS + 1) / 3600)
    sends()

    assert [one.id for one in receiver.received] == [lost.delivery.message_id]


def test_of_a_receiver_that_hangs_no_more_than_its_connections_are_claimed(consumer, make_endpoint):
    make_endpoint("/slow", "task.queued", key=consumer.key)
    make_endpoint("/fast", "task.queued", key=consumer.key)
    for _ in range(6):
        consumer.generate()
    FanOut()()

    first, second = claim(clock.now(), 100), claim(clock.now(), 100)

    assert sorted(one.delivery.endpoint.name for one in first) == ["/fast"] * 4 + ["/slow"] * 4
    assert second == []
    Endpoint.objects.filter(name="/slow").update(failing_since=clock.now())
    Delivery.objects.update(lease_until=None, lease_token=None)
    assert sorted(one.delivery.endpoint.name for one in claim(clock.now(), 100)) == ["/fast"] * 4 + ["/slow"]


def test_a_host_of_tasks_own_webhooks_has_one_connection_while_it_fails(consumer, receiver, sends, hour):
    receiver.answers["/mine"] = 500
    for _ in range(6):
        consumer.generate(webhook_url=f"{receiver.url}/mine", webhook_events=["task.queued"])
    sends()
    assert FailingHost.objects.get().target.startswith(f"key {consumer.key.pk} ")

    hour(10 / 3600)
    assert len(claim(clock.now(), 100)) == 1
    Delivery.objects.update(lease_until=None, lease_token=None)
    receiver.answers["/mine"] = 204
    sends()

    assert not Delivery.objects.pending().exists()
    assert not FailingHost.objects.exists()


def test_a_host_of_tasks_own_webhooks_that_fails_is_forgotten_when_nothing_waits_for_it(consumer, receiver, sends, hour):
    receiver.answers["/mine"] = 500
    consumer.generate(webhook_url=f"{receiver.url}/mine", webhook_events=["task.queued"])
    sends()
    Delivery.objects.update(state=State.FAILED, ended_at=clock.now())

    hour(46 / 3600)
    sends()

    assert not FailingHost.objects.exists()


def test_receivers_that_fail_leave_the_others_half_of_the_connections_however_many_they_are(make_consumer, make_endpoint, receiver, sends):
    for number in range(12):
        consumer, is_endpoint = make_consumer(f"key {number}"), number % 2 == 0
        if is_endpoint:
            make_endpoint("/a", "task.queued", key=consumer.key)
        for _ in range(2):
            consumer.generate(**({} if is_endpoint else {"webhook_url": f"{receiver.url}/own", "webhook_events": ["task.queued"]}))
    FanOut()()
    ago = clock.now() - timedelta(hours=1)
    for number, endpoint in enumerate(Endpoint.objects.order_by("pk")):
        Endpoint.objects.filter(pk=endpoint.pk).update(failing_since=ago, tried_at=ago - timedelta(seconds=number))
    hosts = set(Delivery.objects.filter(endpoint=None).values_list("target", flat=True))
    FailingHost.objects.bulk_create([FailingHost(target=target, failing_since=ago, tried_at=ago) for target in hosts])

    found = sends.sender._claimed(16)

    assert [one.fails for one in found] == [True] * 8
    assert sum(one.is_knock for one in found) == 2
    assert len({one.delivery.target for one in found}) == 8


def test_a_receiver_that_hangs_delays_nobody_else(consumer, receiver, make_endpoint, sends, monkeypatch):
    monkeypatch.setattr("tasks.notifications.sending.TRY_SECONDS", 3.0)
    make_endpoint("/slow", "task.queued", key=consumer.key)
    make_endpoint("/fast", "task.queued", key=consumer.key)
    receiver.delays["/slow"] = 20
    for _ in range(6):
        consumer.generate()

    sends()

    came = {path: [one.at for one in receiver.received if one.path == path] for path in ("/slow", "/fast")}
    assert len(came["/fast"]) == 6
    assert max(came["/fast"]) - came["/slow"][0] < 2.9  # before the first of the slow ones is given up
    assert {one.problem for one in Try.objects.filter(status_code=None)} == {"It did not answer within 3 seconds."}


def test_a_tasks_own_webhook_goes_to_the_address_that_its_call_names(consumer, receiver, sends):
    task_id = consumer.generate(webhook_url=f"{receiver.url}/mine")["task_id"]
    consumer.generate("another")
    end(task_id, "completed")

    sends()

    assert receiver.types("/mine") == ["task.queued", "task.started", "task.completed"]
    assert {one.event["data"]["task_id"] for one in receiver.received} == {task_id}
    secret = consumer.get("/v1/key/webhook_secret").json()["signing_secret"]

    assert all(one.headers["webhook-signature"] == signed(secret, one) for one in receiver.received)


def test_a_tasks_own_webhook_may_ask_for_some_events_and_a_retry_has_its_own(consumer, receiver, sends):
    task_id = consumer.generate(webhook_url=f"{receiver.url}/first", webhook_events=["video.failed"])["task_id"]
    end(task_id, "failed")
    own = {"webhook_url": f"{receiver.url}/again", "webhook_events": ["task.queued"]}
    again = consumer.post(f"/v1/video/generations/{task_id}/retry", own)

    sends()

    assert sorted((one.path, one.event["type"]) for one in receiver.received) == [("/again", "task.queued"), ("/first", "video.failed")]
    assert again.status_code == 202


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        ({"webhook_url": "http://169.254.169.254/latest"}, "webhook_url"),
        ({"webhook_url": "https://user:secret@example.com/"}, "webhook_url"),
        ({"webhook_events": ["task.queued"]}, "webhook_events"),
        ({"webhook_url": "https://example.com/", "webhook_events": ["budget.threshold"]}, "webhook_events"),
    ],
)
def test_a_webhook_that_cannot_be_is_refused_by_name_before_anything_is_made(consumer, wanted, param):
    answer = consumer.post("/v1/video/generations", {"model": "minimax-video", "prompt": "a cat", **wanted})

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert consumer.get("/v1/tasks").json()["data"] == []


def test_410_of_a_tasks_own_address_ends_its_webhooks(consumer, receiver, sends):
    receiver.answers["/mine"] = 410
    task_id = consumer.generate(webhook_url=f"{receiver.url}/mine")["task_id"]
    sends()
    end(UUID(task_id), "completed")

    sends()

    assert receiver.types() == ["task.queued"]


def test_what_was_deleted_is_sent_without_it(consumer, receiver, make_endpoint, sends, hour):
    make_endpoint("/a", "task.failed", key=consumer.key)
    receiver.answers["/a"] = 500
    task = end(consumer.generate("a secret plan")["task_id"], "failed")
    sends()
    steering.delete_media(task, who="root")
    hour(1)
    sends()

    before, after = (one.event["data"]["prompt"] for one in receiver.received)
    assert (before, after) == ("a secret plan", None)


def test_a_delivery_of_a_key_that_was_deleted_goes_nowhere(consumer, receiver, make_endpoint, sends):
    make_endpoint("/a", "task.queued", "task.cancelled", key=consumer.key)
    task_id = consumer.generate()["task_id"]
    delete_key(consumer.key, who="root")
    end(task_id, "cancelled")

    sends()

    assert receiver.received == []


def test_a_lease_is_longer_than_a_try_may_take(settings):
    assert 2 * sending.TRY_SECONDS < settings.LEASE_SECONDS
