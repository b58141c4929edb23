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
from tasks.history import replayed
from tasks.models import Task, TaskEvent
from tasks.progress import LEG, LINE, Legs

log = structlog.get_logger(__name__)

# Made when it is sent, if anybody hears it.
Message = Callable[[], dict[str, Any]]

# Messages that wait to be sent at most; beyond it the oldest are dropped.
WAITING_MAX = 10_000
# So many are sent in one trip: those that came while the trip before was under way.
BATCH = 500
# How long what is in no hurry waits for others, in seconds.
LINGER_SECONDS = 0.01
# What a trip may take, in seconds.
SEND_SECONDS = 1.0


def group_of(key_id: int) -> str:
    """The group of the channel layer that all processes with streams of this key are in."""
    return f"tasks.key.{key_id}"


def tell(event: TaskEvent) -> None:
    """Publish an event that is committed, with its task as it is shown now."""
    message = event_message(event)
    _publisher.put(event.key_id, lambda: message)


def tell_whole(event: TaskEvent, own: Callable[[], Mapping[str, Any]]) -> None:
    """The same of one whose task has all with it that showing it needs, with what its kind shows of it (`own`): it is shown only if
    anybody listens, and waits for others."""
    _publisher.put(event.key_id, lambda: event_message(event, own()), waits=True)


def tell_stage_on_commit(task: Task, written: Mapping[str, Any]) -> None:
    """Publish what `written` changes of an active task's stage, progress and place in line, if it does."""
    named = {name: written[name] for name in ("stage", *LEG, *LINE) if name in written}
    if all(value == getattr(task, name) for name, value in named.items()):
        return
    now = clock.now()
    legs = Legs(task.status, **{name: named.get(name, getattr(task, name)) for name in (*LEG, *LINE)})
    message = stage_message(task.key_id, str(task.pk), named.get("stage", task.stage), now.timestamp(), legs)
    transaction.on_commit(lambda: _publisher.put(task.key_id, lambda: message), robust=True)


def event_message(event: TaskEvent, own: Mapping[str, Any] | None = None) -> dict[str, Any]:
    told = replayed(event, own)
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
        self._waiting: deque[tuple[str, Message]] = deque(maxlen=WAITING_MAX)
        self._is_told = False  # that something waits
        self._lock = threading.Lock()
        self._wake: Callable[[float], Any] | None = None

    def put(self, key_id: int, message: Message, *, waits: bool = False) -> None:
        """Hand a message over. Never waits; the message may, for LINGER_SECONDS, so that others go with it."""
        with self._lock:
            self._waiting.append((group_of(key_id), message))
            is_told, self._is_told = self._is_told, True
            self._wake = self._wake or self._start()
        if not (waits and is_told):
            self._wake(LINGER_SECONDS if waits else 0.0)

    def _start(self) -> Callable[[float], Any]:
        """Start the thread; what wakes it after so many seconds."""
        loop, filled = asyncio.new_event_loop(), asyncio.Event()
        threading.Thread(target=loop.run_until_complete, args=(self._send_all(filled),), name="publisher", daemon=True).start()
        return lambda seconds: loop.call_soon_threadsafe(loop.call_later, seconds, filled.set)

    def _taken(self) -> list[tuple[str, Message]]:
        """What waits, as far as it goes into one trip."""
        with self._lock:
            taken = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            self._is_told = bool(taken)
            return taken

    async def _send_all(self, filled: asyncio.Event) -> None:
        layer = get_channel_layer()
        while True:
            await filled.wait()
            filled.clear()
            while taken := self._taken():
                try:
                    with breaker_of(settings.REDIS_URL).asking("events are not published"):
                        await asyncio.wait_for(layer.send_to_groups(taken), SEND_SECONDS)
                except Away:  # whatever it is, streams find the event in the database
                    dropped = len(taken) + len(self._waiting)
                    self._waiting.clear()
                    log.info("not published: Redis is away", messages=dropped)
                except Exception:
                    log.exception("some messages could not be published", messages=len(taken))


_publisher = Publisher()
os.register_at_fork(after_in_child=_publisher._reset)
