"""`Prefer: wait=N` (RFC 7240) on a create, a retry and a read of one task, on either of its faces: the answer waits for the task's end,
N seconds at most.

What is asked is answered first, as it is without the preference. When that is a task under way the answer is kept back on
the event loop, where waiting costs no thread, until the task ends; then the task is read anew, which counts as one more read. A wait
takes a seat among the key's streams. Where there is none, or anything else is in the way, the first answer goes out without the wait:
a preference is no demand.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from conduit.api.errors import ApiError
from conduit.web.quick_reads import MADE_AT, ROOT
from conduit.web.refusals import Application, Headers, header
from keys.authentication import usable_secret
from tasks.ids import parse_task_id
from tasks.models import Task
from tasks.notices import ENDS, Notice
from tasks.realtime.connections import Caller, address_in, secret_in
from tasks.realtime.feeds import feeds

log = structlog.get_logger(__name__)

SECONDS_MAX = 60
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})\"?(?=$|[,;\s])", re.IGNORECASE)
OPENAI = "/v1/videos"
_ONE = re.compile(rf"(?:{ROOT}|{MADE_AT}|{OPENAI})/(?P<id>[^/]+)")
_MADE = re.compile(rf"{MADE_AT}(?:/[^/]+/retry)?|{OPENAI}(?:/[^/]+/remix)?")
# Headers of the first request that its body, or its effect, alone has.
_OF_THE_FIRST = frozenset({b"content-length", b"content-type", b"expect", b"idempotency-key", b"if-none-match", b"transfer-encoding"})
_UNDER_WAY, _NOT_MODIFIED, _OK, _ACCEPTED = frozenset({b"queued", b"processing", b"in_progress"}), 304, 200, 202
_STATUS, _ID = re.compile(rb'"status":\s*"(\w+)"'), re.compile(rb'\{"id":\s*"([0-9a-f-]{36})"')


class Waiting:
    """In front of `application`; `reading` is what reads tasks."""

    def __init__(self, application: Application, *, reading: Application) -> None:
        self._application, self._reading = application, reading

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        seconds = seconds_asked(scope)
        if not seconds:
            await self._application(scope, receive, send)
            return
        until = time.monotonic() + seconds
        first = _Kept()
        await self._application(scope, receive, first.take)
        task_id = _task_under_way(scope, first)
        if task_id is None or not await _ended(scope, task_id, until, receive):
            await first.give(send, applied=seconds if task_id else None)
            return
        if scope["method"] == "GET":
            again = await self._read(scope, scope["path"], receive)
            await (again if again.is_final else first).give(send, applied=seconds)
            return
        root = OPENAI if scope["path"].startswith(OPENAI) else ROOT
        again = await self._read(_as_read(scope, first), f"{root}/{task_id}", receive)
        await first.give(send, applied=seconds, body=again.body if again.status == _OK else None)

    async def _read(self, scope: Mapping[str, Any], path: str, receive: Any) -> "_Kept":
        kept = _Kept()
        read = {**scope, "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b""}
        await self._reading(read, _no_body, kept.take)
        return kept


@dataclass
class _Kept:
    """An answer that is kept back."""

    status: int = 0
    headers: Headers = field(default_factory=list)
    body: bytes = b""

    async def take(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers", []))
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")

    @property
    def is_final(self) -> bool:
        """Whether it says more than the answer before it did."""
        return self.status in (_OK, _NOT_MODIFIED)

    def header(self, name: bytes) -> bytes:
        return next((value for given, value in self.headers if given.lower() == name), b"")

    async def give(self, send: Any, *, applied: int | None, body: bytes | None = None) -> None:
        """Send it, with another body where there is one. `applied`: for how many seconds the preference was followed."""
        headers, content = self.headers, self.body if body is None else body
        if not self.status:
            return  # the client had gone before it was answered
        if body is not None:
            headers = [line for line in headers if line[0].lower() != b"content-length"] + [(b"Content-Length", str(len(body)).encode())]
        if applied:
            headers = [*headers, (b"Preference-Applied", f"wait={applied}".encode())]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": content})


def seconds_asked(scope: Mapping[str, Any]) -> int:
    """How long the answer of a call that may wait shall wait; 0 where it shall not, or the preference means nothing."""
    asked = _WAIT.search(header(scope, b"prefer"))
    if asked is None:
        return 0
    path, method = scope["path"], scope["method"]
    may_wait = (method == "GET" and _is_one(path)) or (method == "POST" and _MADE.fullmatch(path))
    return min(int(asked[1]), SECONDS_MAX) if may_wait else 0


def _is_one(path: str) -> bool:
    found = _ONE.fullmatch(path)
    return found is not None and parse_task_id(found["id"]) is not None


def _task_under_way(scope: Mapping[str, Any], first: _Kept) -> UUID | None:
    """The task that the answer shows, where it is worth waiting for."""
    if scope["method"] == "GET":
        found = _ONE.fullmatch(scope["path"])
        task_id = parse_task_id(found["id"]) if found else None
        if first.status == _NOT_MODIFIED:
            return task_id
        return task_id if first.status == _OK and _is_under_way(first.body) else None
    if first.status not in (_OK, _ACCEPTED) or not _is_under_way(first.body):
        return None
    shown = _ID.match(first.body)  # OpenAI's wire begins with it, and has no Location
    return parse_task_id(shown[1].decode() if shown else first.header(b"location").decode("latin-1").rpartition("/")[2])


def _is_under_way(body: bytes) -> bool:
    status = _STATUS.search(body)  # the task's own is the first of that name
    return status is not None and status[1] in _UNDER_WAY


def _as_read(scope: Mapping[str, Any], first: _Kept) -> dict[str, Any]:
    """The request with which the task is read whose making was asked for, under the same id."""
    kept = [(name, value) for name, value in scope["headers"] if name not in _OF_THE_FIRST | {b"x-request-id"}]
    return {**scope, "headers": [*kept, (b"x-request-id", first.header(b"x-request-id"))]}


async def _no_body() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


# ---- Waiting for the end -------------------------------------------------------------------------------------------------


class _End:
    """A subscriber of the key's feed that waits for one event."""

    def __init__(self, caller: Caller, task_id: UUID) -> None:
        self.caller = caller
        self.wanted: set[str] | None = {str(task_id)}
        self.come = asyncio.Event()

    def tell(self, notice: Notice) -> None:
        if notice.type in ENDS or notice.task is None:
            self.come.set()

    def end(self, error: ApiError | None) -> None:
        self.come.set()

    async def drained(self) -> None:
        return


async def _ended(scope: Mapping[str, Any], task_id: UUID, until: float, receive: Any) -> bool:
    """Wait until the task ends, the time is over, or the client is gone; False when there was no waiting for it."""
    try:
        caller = await take_seat(scope)
    except Exception as error:  # noqa: BLE001 - whatever is in the way, the first answer is there
        log.info("not waited for a task", because=type(error).__name__)
        return False
    waiting = _End(caller, task_id)
    try:
        async with asyncio.timeout(max(0.0, until - time.monotonic())):
            await feeds().subscribe(waiting, snapshots=False)
            if await feeds().in_thread(partial(_is_active, task_id)):  # it may have ended before there was a subscriber
                await either(waiting.come.wait(), left(receive))
    except TimeoutError:
        pass
    except Exception as error:  # noqa: BLE001 - whatever broke the wait, the task is answered as it is
        log.warning("not waited for a task to its end", because=type(error).__name__)
    finally:
        feeds().unsubscribe(waiting)
        feeds().leave(caller)
    return True


async def take_seat(scope: Mapping[str, Any]) -> Caller:
    """A seat among the streams of the key that a request was let in with, until `feeds().leave` is called with who has it.

    Raises:
        ApiError: there is none, or the key has ended.
    """
    caller = await feeds().in_thread(partial(_caller, secret_in(scope), address_in(scope)))
    await feeds().enter(caller)
    return caller


def _caller(secret: str, address: str) -> Caller:
    found = usable_secret(secret)
    return Caller(found.key, found.pk, address)


def _is_active(task_id: UUID) -> bool:
    return Task.objects.active().filter(pk=task_id).exists()


async def left(receive: Any) -> None:
    """Until the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def either(*works: Any) -> None:
    """Until one of them is done; the others are ended."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
