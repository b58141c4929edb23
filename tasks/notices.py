"""What subscribers are told: one notice, made once and rendered once for all who get it."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from tasks.models import Status

Form = TypeVar("Form")

# What a change to each status is called on the streams.
TYPES = {
    Status.QUEUED: "task.queued",
    Status.PROCESSING: "task.started",
    Status.COMPLETED: "task.completed",
    Status.FAILED: "task.failed",
    Status.CANCELLED: "task.cancelled",
}
ENDS = frozenset({"task.completed", "task.failed", "task.cancelled"})


class Notice:
    """An event, a snapshot or progress of one task, or `resync`, which is about none.

    `event_id` is the position in the key's history that a reader of this stands at; progress has none.
    """

    __slots__ = ("_forms", "event_id", "task", "type")

    def __init__(self, type: str, event_id: int | None, task: dict[str, Any] | None) -> None:
        self.type = type
        self.event_id = event_id
        self.task = task
        self._forms: dict[Any, Any] = {}

    @property
    def task_id(self) -> str | None:
        return self.task["task_id"] if self.task else None

    @property
    def is_coalesced(self) -> bool:
        """Whether only the newest of its task matters."""
        return self.event_id is None

    def rendered(self, form: Callable[["Notice"], Form]) -> Form:
        """What `form` makes of it, made once however many ask."""
        if form not in self._forms:
            self._forms[form] = form(self)
        found: Form = self._forms[form]
        return found


def resync(position: int) -> Notice:
    """Says that what the client asked for is not kept: it reads its tasks anew, and goes on from `position`."""
    return Notice("resync", position, None)


def as_json(notice: Notice) -> str:
    body: dict[str, Any] = {"type": notice.type}
    if notice.event_id is not None:
        body["event_id"] = notice.event_id
    if notice.task:
        body["task"] = notice.task
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


def as_sse(notice: Notice) -> bytes:
    """A server-sent event. JSON has no line breaks of its own, so one data line holds it."""
    numbered = f"id: {notice.event_id}\n" if notice.event_id is not None else ""
    return f"event: {notice.type}\n{numbered}data: {as_json(notice)}\n\n".encode()
