"""Callbacks: the challenge while a create is open, and what is pushed when a job begins and ends.

Nothing but the loopback is called: a URL elsewhere cannot be reached, as one that MiniMax cannot reach.
"""

import heapq
import itertools
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from videos.minimax.sandbox.jobs import Job, Jobs

# How long the challenge's answer may take, and that of a push (seconds).
CHALLENGE_SECONDS, _PUSH_SECONDS = 3.0, 10.0
_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
_ANSWER_LARGEST = 10_000
_SENDERS = 8
# A job whose begin and end are pushed in the wrong order begins by so much later than it ends (seconds).
_SWAPPED = 0.2
# How long the clock is not looked at, at most: tests set it.
_LOOKS_SECONDS = 0.05

# Tells what was called, and how it was answered.
Tell = Callable[[dict[str, Any]], None]


def challenge(url: str) -> bool:
    """Whether the server at the URL gives the challenge back in time."""
    word = uuid.uuid4().hex
    status, body = _post(url, {"challenge": word}, CHALLENGE_SECONDS)
    try:
        return status == 200 and json.loads(body).get("challenge") == word
    except (ValueError, AttributeError):
        return False


@dataclass(order=True)
class _Push:
    at: float
    number: int
    job: Job = field(compare=False)
    word: str = field(compare=False)


class Callbacks:
    """Pushes what becomes of jobs, each at its time; after a restart what has not come yet."""

    def __init__(self, jobs: Jobs, clock: Callable[[], float], body: Callable[[Job, str], dict[str, Any]], tell: Tell) -> None:
        self._jobs, self._clock, self._body, self._tell = jobs, clock, body, tell
        self._waiting: list[_Push] = []
        self._numbers = itertools.count()
        self._lock = threading.Condition()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="sandbox callbacks", daemon=True)
        self._senders = ThreadPoolExecutor(_SENDERS, thread_name_prefix="sandbox callback")

    def start(self) -> None:
        now = self._clock()
        for job in self._jobs.newest_first():
            if job.created_at + job.seconds > now:
                self.expect(job)
        self._thread.start()

    def stop(self) -> None:
        with self._lock:
            self._is_over = True
            self._lock.notify()
        if self._thread.is_alive():
            self._thread.join()
        self._senders.shutdown(cancel_futures=True)

    def expect(self, job: Job) -> None:
        """Push what becomes of it, if it came with a URL."""
        with self._lock:
            for at, word in _pushes_of(job):
                heapq.heappush(self._waiting, _Push(at, next(self._numbers), job, word))
            self._lock.notify()

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._is_over:
                    return
                now = self._clock()
                if not self._waiting or self._waiting[0].at > now:
                    self._lock.wait(_LOOKS_SECONDS if self._waiting else None)
                    continue
                push = heapq.heappop(self._waiting)
            self._senders.submit(self._push, push.job, push.word)

    def _push(self, job: Job, word: str) -> None:
        now = self._jobs.of_task(str(job.task_id), account=job.account)
        if now is None or now.deleted_at is not None:
            return
        http, _ = _post(job.callback_url, self._body(job, word), _PUSH_SECONDS)
        self._tell({"call": "callback", "task_id": str(job.task_id), "status": word, "faults": [], "http": http, "code": None})


def _pushes_of(job: Job) -> Iterator[tuple[float, str]]:
    if not job.callback_url or job.has("callbacks-off") or job.has("queued"):
        return
    began = job.created_at + job.seconds * job.BEGINS_AT
    ended = job.created_at + job.seconds + job.value("callbacks-late", 0)
    if job.has("callbacks-reordered"):
        began = ended + _SWAPPED
    yield began, "processing"
    if job.has("stuck"):
        return
    word = "success" if job.succeeds() else "failed"
    for _ in range(3 if job.has("callbacks-doubled") else 1):
        yield ended, word


def _post(url: str, content: dict[str, Any], seconds: float) -> tuple[int | None, bytes]:
    """The status and the beginning of the body; None when there is no answer."""
    try:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname not in _HOSTS:
            return None, b""
        connection = HTTPConnection(parts.hostname, parts.port or 80, timeout=seconds)
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", path, json.dumps(content), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read(_ANSWER_LARGEST)
        finally:
            connection.close()
    except (OSError, ValueError, HTTPException):
        return None, b""
