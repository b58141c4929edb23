"""The hub of video events: the contract's names and fields, over a real connection."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from channels.layers import get_channel_layer
from django.db import connection, transaction

from tasks import lifecycle
from tasks.models import Status
from tasks.publishing import group_of
from tests.realtime.test_nothing_is_lost import until_somebody_waits_for_a_lock
from tests.support.ending import end

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

UNKNOWN = "An unexpected error occurred invoking '{}' on the server. HubException: This key has no task of that id."
FIELDS = {
    "VideoGenerationStarted": "taskId status progress model startedAt estimatedSeconds eventId",
    "VideoGenerationProgress": "taskId status progress stage message etaSeconds timestamp",
    "VideoGenerationCompleted": "taskId status progress videoUrl thumbnailUrl duration resolution sizeBytes cost completedAt eventId",
    "VideoGenerationFailed": "taskId status error errorCode retryable failedAt eventId",
    "VideoGenerationCancelled": "taskId status errorCode cost cancelledAt eventId",
}


def fields(event):
    return set(event) - {"type"}


def next_event(hub):
    """Progress is told whenever a second has gone by, on a busy machine between any two events."""
    return hub.until(lambda message: message["type"] != "VideoGenerationProgress")


def test_connecting_is_enough_to_be_told_of_every_task_with_the_contracts_fields(listen, consumer):
    hub = listen.hub().joined()
    made, failed, cancelled = (consumer.generate(name)["task_id"] for name in ("made", "failed", "cancelled"))
    end(made, "completed")
    end(failed, "failed")
    end(cancelled, "cancelled")

    started, completed, failure, cancel = (next_event(hub) for _ in range(4))
    for event in (started, completed, failure, cancel):
        assert fields(event) == set(FIELDS[event["type"]].split())
    task = consumer.task(made)
    assert (started["taskId"], started["status"], started["startedAt"], started["eventId"]) == (made, "processing", task["started_at"], 4)
    assert (completed["videoUrl"], completed["thumbnailUrl"]) == (task["result"]["video_url"], task["result"]["thumbnail_url"])
    assert (completed["progress"], completed["duration"], completed["resolution"], completed["cost"]) == (100, 6, "1280x720", task["cost"])
    assert (failure["errorCode"], failure["error"], failure["retryable"]) == (
        "provider_error",
        "The video provider could not make it.",
        True,
    )
    assert (cancel["status"], cancel["cost"]["charged"], cancel["eventId"]) == ("cancelled", "0.0000", 7)


def test_progress_is_told_with_its_stage_in_words_and_without_an_event_id(listen, consumer):
    task_id = consumer.generate()["task_id"]
    hub = listen.hub()
    lifecycle.move(task_id, Status.PROCESSING, stage="waiting_at_provider", progress=10, leg_goal=90, leg_seconds=40.0, rest_seconds=1.0)

    progress = hub.until_type("VideoGenerationProgress")

    assert fields(progress) == set(FIELDS["VideoGenerationProgress"].split())
    assert (progress["stage"], progress["message"]) == ("waiting_at_provider", "Waiting at provider")


def test_a_failure_under_the_content_policy_is_not_worth_a_retry(listen, consumer):
    task_id = consumer.generate()["task_id"]
    hub = listen.hub().joined()
    lifecycle.move(task_id, Status.FAILED, stage="failed", error="content policy", error_code="content_policy_violation")

    assert next_event(hub)["retryable"] is False


def test_subscribing_answers_the_task_and_narrows_what_is_told_until_the_last_is_given_up(listen, consumer):
    mine, other, third = (consumer.generate(name, metadata={"my_order": name})["task_id"] for name in ("mine", "other", "third"))
    hub = listen.hub()

    answered = hub.invoke("SubscribeToTask", mine)
    end(other, "cancelled")
    end(mine, "cancelled")
    assert next_event(hub)["taskId"] == mine

    hub.invoke("UnsubscribeFromTask", mine)
    end(third, "cancelled")
    assert next_event(hub)["taskId"] == third
    assert (answered["taskId"], answered["metadata"], answered["createdAt"]) == (mine, {"my_order": "mine"}, answered["createdAt"])
    assert {"etaSeconds", "aspectRatio", "retryOf", "errorCode"} <= answered.keys()


@pytest.mark.skipif(connection.vendor == "sqlite", reason="readers of SQLite do not wait for writers")
def test_what_happens_to_a_task_while_it_is_being_subscribed_to_is_told(listen, consumer):
    first, second = (consumer.generate(name) for name in ("first", "second"))
    hub = listen.hub()
    hub.invoke("SubscribeToTask", first["task_id"])
    cancelled = second | {"status": "cancelled"}
    message = {"type": "task.event", "key": consumer.key.pk, "position": 3, "name": "task.cancelled", "task": cancelled}

    with ThreadPoolExecutor(1) as beside:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE tasks_task IN ACCESS EXCLUSIVE MODE")  # who reads a task waits
            subscribing = beside.submit(hub.invoke, "SubscribeToTask", second["task_id"])
            until_somebody_waits_for_a_lock()
            asyncio.run(publish(consumer.key.pk, message | {"updated_at": 0, "legs": None}))
            assert (next_event(hub)["taskId"], subscribing.done()) == (second["task_id"], False)
        assert subscribing.result()["taskId"] == second["task_id"]


async def publish(key_id, message):
    layer = get_channel_layer()
    await layer.group_send(group_of(key_id), message)
    await layer.flush()


@pytest.mark.parametrize("method", ["SubscribeToTask", "UnsubscribeFromTask"])
def test_a_task_that_is_foreign_unknown_or_nonsense_gives_the_same_error(listen, make_consumer, method):
    foreign = make_consumer("another").generate()["task_id"]
    hub = listen.hub()

    for task_id in (foreign, "0192f0c1-2345-7abc-8def-0123456789ab", "nonsense", "", None, 7, {"a": 1}):
        with pytest.raises(RuntimeError) as caught:
            hub.invoke(method, task_id)
        assert str(caught.value) == UNKNOWN.format(method)


def test_a_hub_resumes_after_any_event(listen, consumer):
    first, second = (consumer.generate(name)["task_id"] for name in ("first", "second"))
    end(first, "completed")  # 3 started, 4 completed
    end(second, "failed")  # 5 failed
    hub = listen.hub()

    for after, told in ((0, [3, 4, 5]), (3, [4, 5]), ("4", [5])):
        hub.invoke("Resume", after)
        assert [next_event(hub)["eventId"] for _ in told] == told
    hub.invoke("Resume", 5)
    assert hub.is_silent(0.3)


def test_a_position_that_was_never_given_out_is_answered_with_resync(listen, consumer):
    consumer.generate()
    hub = listen.hub()

    hub.invoke("Resume", 99)
    assert hub.next() == {"type": "Resync", "eventId": 1}


@pytest.mark.parametrize("position", ["x", "", " ", None, -1, 1.5, [1]])
def test_what_is_no_event_id_cannot_be_resumed_from(listen, position):
    with pytest.raises(RuntimeError, match="HubException: `lastEventId` must be"):
        listen.hub().invoke("Resume", position)
