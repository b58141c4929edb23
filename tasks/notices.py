"""What subscribers are told: one notice, made once and rendered once for all who get it."""

import copy
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from conduit.api.formats import rfc3339
from tasks.models import ACTIVE, Status, Task, TaskEvent
from tasks.presentation import show

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

    `event_id` is the position in the key's history that whoever has this stands at; progress has none.
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


def show_then(event: TaskEvent, now: datetime) -> dict[str, Any]:
    """The event's task as it was when it happened: nothing of what came later. Links are signed at `now`.

    An ended task does not change any more, so its row says how it was; of a former status the row says what stays, and
    the event the rest.
    """
    if event.status not in ACTIVE:
        return show(event.task, now)
    facts = event.facts
    stage, reached = facts.get("stage", event.status), facts.get("progress", 0)  # absent in events of before they were kept
    shown = show(_back_then(event, stage), event.created_at)
    return shown | {"progress": reached, "eta_seconds": facts.get("eta_seconds"), "updated_at": rfc3339(event.created_at)}


def _back_then(event: TaskEvent, stage: str) -> Task:
    task = copy.copy(event.task)
    task.status, task.stage, task.charged, task.ended_at, task.error, task.error_code = event.status, stage, None, None, "", ""
    if event.status == Status.QUEUED:
        task.started_at = None
    return task
