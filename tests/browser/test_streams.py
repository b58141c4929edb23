"""What a page reaches without a library: EventSource and WebSocket, with the key in the address."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.consumer import Consumer

Opener = Callable[..., None]
PLAIN = pytest.mark.parametrize("open_stream", [Consumer.open_event_source, Consumer.open_socket], ids=["EventSource", "WebSocket"])


def of_one_task(open_stream: Opener, task_id: str) -> str:
    return f"/v1/tasks/{task_id}/events" if open_stream is Consumer.open_event_source else f"/ws/tasks/{task_id}"


def kinds(told: list[dict[str, Any]]) -> list[str]:
    """The types of what was told, each once, in order."""
    return list(dict.fromkeys(message["type"] for message in told))


def happened(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was told, without pictures of how things stand: when those come depends on when the stream began."""
    return [message for message in told if message["type"] != "task.snapshot"]


@pytest.mark.races_the_clock  # progress has to be told while the task is made
@PLAIN
def test_a_page_sees_a_task_through_on_the_stream_of_all(consumer: Consumer, problems: list[str], open_stream: Opener):
    open_stream(consumer, "stream", after=0)

    told = happened(consumer.until_told("stream", "task.completed", consumer.generate()))

    progress = [message for message in told if message["type"] == "task.progress"]  # a task that waits makes some too
    assert kinds([message for message in told if message not in progress]) == ["task.queued", "task.started", "task.completed"]
    assert progress
    numbers = [message["task"]["progress"] for message in told]
    assert numbers == sorted(numbers)
    assert numbers[-1] == 100
    positions = [message["event_id"] for message in told if message["type"] != "task.progress"]
    assert positions == sorted(set(positions))
    assert problems == []


@PLAIN
def test_a_page_that_comes_back_goes_on_after_the_last_event_it_saw(consumer: Consumer, open_stream: Opener):
    open_stream(consumer, "before", after=0)
    task_id = consumer.generate()
    [queued, *_] = happened(consumer.until_told("before", "task.queued", task_id))
    consumer.close("before")

    open_stream(consumer, "after", after=queued["event_id"])
    told = happened(consumer.until_told("after", "task.completed", task_id))

    assert [kind for kind in kinds(told) if kind != "task.progress"] == ["task.started", "task.completed"]


def test_a_socket_of_one_task_closes_by_itself_when_the_task_is_over(consumer: Consumer, problems: list[str]):
    task_id = consumer.generate()
    consumer.open_socket("socket", path=of_one_task(Consumer.open_socket, task_id))

    assert consumer.until_ended("socket") == {"code": 1000, "reason": "", "wasClean": True}
    assert kinds(consumer.seen("socket"))[0] == "task.snapshot"
    assert kinds(consumer.seen("socket"))[-1] == "task.completed"
    assert problems == []


def test_an_event_source_of_one_task_stops_coming_back_when_it_has_seen_the_end(consumer: Consumer):
    task_id = consumer.generate()
    consumer.open_event_source("source", path=of_one_task(Consumer.open_event_source, task_id))

    assert consumer.until_ended("source") == {}
    assert kinds(consumer.seen("source"))[-1] == "task.completed"
    assert [message["type"] for message in consumer.seen("source")].count("task.completed") == 1


def test_a_socket_with_a_bad_key_says_why_it_closes(consumer: Consumer, problems: list[str]):
    consumer.open_socket("socket", key="condt_unknown")

    assert consumer.until_ended("socket") == {"code": 4401, "reason": "invalid_api_key", "wasClean": True}
    [refusal] = consumer.seen("socket")
    assert (refusal["type"], refusal["error"]["code"]) == ("error", "invalid_api_key")
    assert problems == []


def test_an_event_source_with_a_bad_key_gives_up(consumer: Consumer):
    consumer.open_event_source("source", key="condt_unknown")

    assert consumer.until_ended("source") == {}
    assert consumer.seen("source") == []


def test_a_socket_for_a_task_that_is_not_there_says_so(consumer: Consumer):
    consumer.open_socket("socket", path="/ws/tasks/a-task-of-nobody")

    assert consumer.until_ended("socket") == {"code": 4404, "reason": "task_not_found", "wasClean": True}
