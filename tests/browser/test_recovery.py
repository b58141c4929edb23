"""The web process dies while pages are connected. They come back by themselves, and miss nothing."""

from typing import Any

from playwright.sync_api import BrowserContext

from tests.browser.consumer import TEXT_WIRES, Consumer
from tests.support.listening import EventSourceListener
from tests.support.running import RunningStack

NAMES = {"VideoGenerationStarted": "task.started", "VideoGenerationCompleted": "task.completed"}


def test_pages_resume_without_a_gap_when_the_web_process_was_killed(consumer: Consumer, context: BrowserContext, stack: RunningStack):
    consumer.open_event_source("source", after=0)
    for wire in TEXT_WIRES:
        consumer.open_hub(wire.name, wire, reconnects=True)
    first, second = consumer.generate("seen to begin"), consumer.generate("made while nobody looks")
    for wire in TEXT_WIRES:
        consumer.until_told(wire.name, "VideoGenerationStarted", first)
    began = consumer.until_told("source", "task.queued", first)[0]["event_id"]

    context.set_offline(True)  # whoever comes back before everything has happened would have missed nothing
    stack.until_restarted("web", stack.kill("web"))
    for task_id in (first, second):
        stack.until(lambda task_id=task_id: stack.call("GET", f"/v1/tasks/{task_id}").json()["status"] == "completed")
    context.set_offline(False)
    third = consumer.generate("made when all is well again")

    for task_id in (first, second, third):
        consumer.until_told("source", "task.completed", task_id)
        for wire in TEXT_WIRES:
            consumer.until_told(wire.name, "VideoGenerationCompleted", task_id)
    history = stored(stack, began, until=third)
    assert events(consumer.seen("source"), since=began) == history
    told_by_hubs = [event for event in history if event[1] in NAMES.values()]
    for wire in TEXT_WIRES:
        consumer.until_reconnected(wire.name)
        assert events(consumer.seen(wire.name), since=began) == told_by_hubs


def stored(stack: RunningStack, began: int, *, until: str) -> list[tuple[int, str, str]]:
    """What is stored from that event on, as somebody reads it who asks only now."""
    listener = EventSourceListener(stack.url, stack.secret, after=began - 1).open()
    try:
        listener.until(lambda told: told.get("type") == "task.completed" and told["task"]["task_id"] == until)
    finally:
        listener.close()
    return events(listener.seen, since=began)


def events(told: list[dict[str, Any]], *, since: int) -> list[tuple[int, str, str]]:
    """The stored events in what was told: position, type and task, each once."""
    found = set()
    for message in told:
        kind = NAMES.get(message["type"], message["type"])
        position = message.get("event_id", message.get("eventId"))
        if position is None or position < since or kind in ("task.snapshot", "task.progress"):
            continue
        found.add((position, kind, message["taskId"] if "taskId" in message else message["task"]["task_id"]))
    return sorted(found)
