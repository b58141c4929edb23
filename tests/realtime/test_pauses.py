"""A pause on the streams: a stage between the events, and what the task waits for."""

import pytest

from conduit import clock
from tasks import paused, pauses
from tests.support.ending import end

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def test_streams_tell_of_a_pause_and_of_its_end_as_progress_and_change_no_order_of_events(listen, consumer, driver):
    there_before = consumer.generate()["task_id"]
    stream, hub = listen.events(), listen.hub().joined()
    assert stream.next()["task"]["task_id"] == there_before  # it listens
    end(there_before, "cancelled")
    pause = pauses.begin(who="ops", kind="sending")
    task_id = consumer.generate()["task_id"]

    driver.step(task_id)
    stopped = stream.until(lambda told: told["type"] == "task.progress" and told["task"]["stage"] == "paused")
    later = listen.events()
    snapshot = later.until_type("task.snapshot")
    pauses.end(pause, who="ops")
    paused.go_on(clock.now())
    resumed = stream.until(lambda told: told["type"] == "task.progress" and told["task"]["stage"] == "queued")
    driver.finish(task_id)

    for told in (stopped, snapshot):
        assert (told["task"]["status"], told["task"]["stage"], told["task"]["waiting_for"]) == ("queued", "paused", "pause")
        assert told["task"]["eta_seconds"] is None
    assert resumed["task"]["waiting_for"] is None
    assert resumed["task"]["eta_seconds"] > 0
    events = [stream.until(lambda told: "event_id" in told) for _ in range(2)]
    assert [event["type"] for event in events] == ["task.started", "task.completed"]
    on_hub = hub.until(lambda told: told.get("stage") == "paused")
    assert (on_hub["type"], on_hub["message"], on_hub["etaSeconds"]) == ("VideoGenerationProgress", "Paused", None)
    assert hub.until_type("VideoGenerationCompleted")["taskId"] == task_id
