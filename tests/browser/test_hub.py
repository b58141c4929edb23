"""Microsoft's client on another origin, with `withUrl(url, {accessTokenFactory})` and no other option."""

import pytest
from playwright.sync_api import Error

from tests.browser.consumer import RESOLUTION, SECONDS, TEXT_WIRES, WIRES, Consumer, Wire

WIDTH, HEIGHT = map(int, RESOLUTION.split("x"))
EVERY_TRANSPORT = pytest.mark.parametrize("wire", TEXT_WIRES, ids=lambda wire: wire.name)
EVERY_WIRE = pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)


@pytest.mark.races_the_clock  # progress has to be told while the task is made
@EVERY_WIRE
def test_a_page_sees_a_task_through_and_plays_its_video(consumer: Consumer, problems: list[str], wire: Wire):
    consumer.open_hub("hub", wire)

    told = consumer.until_told("hub", "VideoGenerationCompleted", consumer.generate())

    progress = [event for event in told if event["type"] == "VideoGenerationProgress"]  # a task that waits makes some too
    started, completed = (event for event in told if event not in progress)
    assert (started["type"], bool(progress), told[-1]) == ("VideoGenerationStarted", True, completed)
    numbers = [event["progress"] for event in told]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) >= 3
    assert (numbers[-1], completed["resolution"], completed["duration"]) == (100, RESOLUTION, SECONDS)
    assert consumer.used == {wire.transport}

    watched = consumer.watch(completed["videoUrl"], completed["thumbnailUrl"])

    assert watched["currentTime"] == watched["duration"] == pytest.approx(completed["duration"], abs=0.05)
    assert watched["video"] == watched["thumbnail"] == [WIDTH, HEIGHT]
    assert consumer.seek(SECONDS / 2) == pytest.approx(SECONDS / 2)
    assert problems == []


@EVERY_TRANSPORT
def test_a_page_that_subscribed_to_a_task_is_told_of_no_other_until_it_resumes(consumer: Consumer, problems: list[str], wire: Wire):
    consumer.open_hub("hub", wire)
    consumer.open_event_source("everything", after=0)
    wanted = consumer.generate("wanted")
    snapshot = consumer.invoke("hub", "SubscribeToTask", wanted)
    other = consumer.generate("another")
    consumer.until_told("hub", "VideoGenerationCompleted", wanted)
    consumer.until_told("everything", "task.completed", other)

    assert (snapshot["taskId"], snapshot["prompt"], snapshot["resolution"]) == (wanted, "wanted", RESOLUTION)
    assert {event["taskId"] for event in consumer.seen("hub")} == {wanted}

    consumer.invoke("hub", "UnsubscribeFromTask", wanted)
    consumer.invoke("hub", "Resume", snapshot_position(consumer, wanted))
    missed = consumer.until_told("hub", "VideoGenerationCompleted", other)

    assert [event["type"] for event in missed] == ["VideoGenerationStarted", "VideoGenerationCompleted"]
    with pytest.raises(Error, match=r"HubException: This key has no task of that id\."):
        consumer.invoke("hub", "SubscribeToTask", "a-task-of-nobody")
    assert problems == []


def snapshot_position(consumer: Consumer, task_id: str) -> int:
    """The position of the task's creation, which is before everything that the hub has told."""
    return next(
        told["event_id"] for told in consumer.seen("everything") if told["type"] == "task.queued" and told["task"]["task_id"] == task_id
    )


@EVERY_WIRE
def test_a_page_with_a_bad_key_is_told_so(consumer: Consumer, wire: Wire):
    answer = consumer.call("POST", "/hubs/video-generation/negotiate?negotiateVersion=1", key="condt_unknown")

    assert (answer["status"], answer["body"]["error"]["code"]) == (401, "invalid_api_key")
    with pytest.raises(Error, match="Status code '401'"):
        consumer.open_hub("hub", wire, key="condt_unknown")
