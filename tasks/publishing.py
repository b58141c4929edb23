"""Telling the processes that hold streams what was just committed.

What is published is a hint that carries what it is about: readers who get it need no query, and readers who do not find
the event in the database (tasks.realtime.feed). So publishing may lose anything: it never keeps a request or a step waiting, and
what cannot be sent at once is dropped.
"""

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import transaction

from conduit import clock
from conduit.streams.breaker import Away, breaker_of
from tasks.history import happened
from tasks.models import Task, TaskEvent
from tasks.progress import LEG, Legs

log = structlog.get_logger(__name__)

# Messages that wait to be sent at most; beyond it the oldest are dropped.
WAITING_MAX = 10_000
# What sending one message may take, in seconds.
SEND_SECONDS = 1.0


def group_of(key_id: int) -> str:
    """The group of the channel layer that all processes with streams of this key are in."""
    return f"tasks.key.{key_id}"


def tell(event: TaskEvent) -> None:
    """Publish an event that is committed, with its task as it is shown now."""
    _publisher.put(event.key_id, event_message(event))


def tell_stage_on_commit(task: Task, written: Mapping[str, Any]) -> None:
    """Publish what `written` changes of an active task's stage and progress, if it does."""
    named = {name: written[name] for name in ("stage", *LEG) if name in written}
    if all(value == getattr(task, name) for name, value in named.items()):
        return
    now = clock.now()
    legs = Legs(task.status, **{name: named.get(name, getattr(task, name)) for name in LEG})
    message = stage_message(task.key_id, str(task.pk), named.get("stage", task.stage), now.timestamp(), legs)
    transaction.on_commit(lambda: _publisher.put(task.key_id, message), robust=True)


def event_message(event: TaskEvent) -> dict[str, Any]:
    told = happened(event)
    return {
        "type": "task.event",
        "key": event.key_id,
        "position": told.position,
        "name": told.notice.type,
        "task": told.notice.task,
        "updated_at": told.updated_at,
        "legs": told.legs and told.legs.packed(),
    }


def stage_message(key_id: int, task_id: str, stage: str, updated_at: float, legs: Legs) -> dict[str, Any]:
    return {"type": "task.stage", "key": key_id, "task_id": task_id, "stage": stage, "updated_at": updated_at, "legs": legs.packed()}


class Publisher:
    """Sends from one thread with an event loop of its own, over connections that stay open.

    The thread starts with the first message, and anew in a process that was forked.
    """

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._waiting: deque[tuple[int, dict[str, Any]]] = deque(maxlen=WAITING_MAX)
        self._lock = threading.Lock()
        self._wake: Callable[[], Any] | None = None

    def put(self, key_id: int, message: dict[str, Any]) -> None:
        """Hand a message over. Never waits."""
        self._waiting.append((key_id, message))
        with self._lock:
            self._wake = self._wake or self._start()
        self._wake()

    def _start(self) -> Callable[[], Any]:
        """Start the thread; what wakes it."""
        loop, filled = asyncio.new_event_loop(), asyncio.Event()
        threading.Thread(target=loop.run_until_complete, args=(self._send_all(filled),), name="publisher", daemon=True).start()
        return lambda: loop.call_soon_threadsafe(filled.set)

    async def _send_all(self, filled: asyncio.Event) -> None:
        layer = get_channel_layer()
        while True:
            await filled.wait()
            filled.clear()
            while self._waiting:
                key_id, message = self._waiting.popleft()
                try:
                    with breaker_of(settings.REDIS_URL).asking("events are not published"):
                        await asyncio.wait_for(layer.group_send(group_of(key_id), message), SEND_SECONDS)
                except Away:  # whatever it is, streams find the event in the database
                    dropped = 1 + len(self._waiting)
                    self._waiting.clear()
                    log.info("not published: Redis is away", messages=dropped)
                except Exception:
                    log.exception("one message could not be published")


_publisher = Publisher()
os.register_at_fork(after_in_child=_publisher._reset)
