"""Hints that nobody waits for: handed over within a request, they leave together a moment later.

Celery takes a millisecond for each message, most of it to find out anew what is the same for all of a job. Here Celery makes one
message of each job, and those that follow are made of it; all that wait go to Redis in one command for each queue.
"""

import json
import os
import threading
import time
from base64 import b64encode
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import uuid4

import redis
import structlog
from celery import current_app
from kombu import Connection

from conduit.redis_client import shared_client
from conduit.streams.breaker import Away, breaker_of

log = structlog.get_logger(__name__)

# How long a hint waits for others, in seconds.
LINGER_SECONDS = 0.01
# Hints that wait at most; beyond it the oldest are dropped.
WAITING_MAX = 10_000
# So many are sent with one command.
BATCH = 500
# What a Redis that hangs costs the sender, in seconds.
ANSWER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Hint:
    """A message of Celery's: a job with what it is called with, for a queue."""

    job: str
    queue: str
    args: tuple[str | None, ...]
    headers: Mapping[str, Any]  # until when it is worth anything


class HintSender:
    """Sends from one thread, which starts with the first hint, and anew in a process that was forked."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._waiting: deque[Hint] = deque(maxlen=WAITING_MAX)
        self._filled, self._idle = threading.Event(), threading.Event()
        self._idle.set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def put(self, hint: Hint) -> None:
        """Hand a hint over. Never waits."""
        with self._lock:
            self._waiting.append(hint)
            self._idle.clear()
            self._filled.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._send_all, name="hints", daemon=True)
                self._thread.start()

    def flush(self, seconds: float = 2 * ANSWER_SECONDS) -> None:
        """Wait until what was put is sent or lost, but no longer than that."""
        self._idle.wait(seconds)

    def _send_all(self) -> None:
        while True:
            self._filled.wait()
            time.sleep(LINGER_SECONDS)
            self._filled.clear()
            try:
                while self._waiting:
                    batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                    with breaker_of(current_app.conf.broker_url).asking("hints are not sent"):
                        send(batch)
            except Away:  # workers find the rows
                self._waiting.clear()
            except Exception:
                self._waiting.clear()
                log.exception("hints could not be sent")
            with self._lock:
                if not self._waiting:
                    self._idle.set()


def send(hints: Iterable[Hint]) -> None:
    """Send them all, the oldest first in each queue.

    Raises:
        redis.RedisError: the broker is away.
    """
    queues: defaultdict[str, list[str]] = defaultdict(list)
    for hint in hints:
        queues[hint.queue].append(message(hint))
    broker: redis.Redis = shared_client(current_app.conf.broker_url, seconds=ANSWER_SECONDS)
    for queue, messages in queues.items():
        broker.lpush(queue, *messages)


def message(hint: Hint) -> str:
    """What Celery would write for it into Redis (tests/tasks/test_hints.py compares them)."""
    made, embedded = _made_by_celery(hint.job, hint.queue)
    call_id = str(uuid4())
    of_call = {"id": call_id, "root_id": call_id, "argsrepr": repr(list(hint.args)), **hint.headers}
    body = json.dumps([hint.args, {}, embedded])
    return json.dumps(
        made
        | {
            "body": b64encode(body.encode()).decode(),
            "headers": made["headers"] | of_call,
            "properties": made["properties"] | {"correlation_id": call_id, "delivery_tag": str(uuid4())},
        }
    )


@lru_cache
def _made_by_celery(job: str, queue: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A message of that job, and the end of its body."""
    with Connection("memory://") as wire:
        current_app.send_task(job, args=[], queue=queue, connection=wire)
        channel: Any = wire.default_channel
        made = channel._get(queue)
    assert made["properties"]["body_encoding"] == "base64"  # noqa: S101 - as kombu's transport of Redis wants it
    _, _, embedded = json.loads(channel.decode_body(made["body"], "base64"))
    return made, embedded


sender = HintSender()
os.register_at_fork(after_in_child=sender._reset)
