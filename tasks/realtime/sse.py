"""Server-sent events: `GET /v1/events` and `GET /v1/tasks/{id}/events`.

The request is one of REST: authenticated, counted, logged and refused as any other. What it answers is a stream that
lives on the event loop, without a thread.
"""

import asyncio
import json
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import cast
from uuid import UUID

from django.http import HttpResponse, StreamingHttpResponse
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from conduit import clock
from conduit.api.callers import known_as, known_before_pause, pause
from conduit.api.errors import classify, envelope
from conduit.api.network import client_address
from conduit.api.views import ApiView
from conduit.streams.gate import Gate
from keys.authentication import name_of, secret_of
from keys.limits import RateState
from keys.models import VirtualKey
from tasks import history
from tasks.notices import as_sse
from tasks.realtime.connections import Caller, admit, from_address, position_in
from tasks.realtime.feeds import Feeds, feeds
from tasks.realtime.seats import bounds, seats
from tasks.realtime.stream import Dropped, Stream, TaskStream, left_of_ended
from tasks.views import task_of

# A stream that is silent for so long (seconds) gets a comment: proxies close what is silent for longer.
COMMENT_SECONDS = 15.0
# When a client that was cut off comes back, in milliseconds.
RETRY_MS = 1000

_COMMENT = b": still here\n\n"
_HEADERS = {"Cache-Control": "private, no-store", "X-Accel-Buffering": "no"}  # nginx would keep events back until its buffer is full
_CONTENT_TYPE = "text/event-stream"


class StreamAuthentication(BaseAuthentication):
    """The key as everywhere, or as `?access_token=`: EventSource sends no headers. `request.auth` is a Caller with its rate."""

    schemes = ("key", "keyHeader", "clientToken", "accessToken")

    def authenticate(self, request: Request) -> tuple[VirtualKey, tuple[Caller, RateState | None]]:
        sent = "" if _has_header(request) else request.query_params.get("access_token", "").strip()
        known = known_before_pause(request._request)
        caller, rate = known or admit(from_address(sent) if sent else secret_of(request), client_address(request._request))
        known_as(request._request, name_of(caller.key))
        if rate and rate.wait and not known:
            pause(request._request, rate.wait, (caller, rate))
        return caller.key, (caller, rate)

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def _has_header(request: Request) -> bool:
    return "Authorization" in request.headers or "X-API-Key" in request.headers


Opener = Callable[[Feeds, Caller], Stream[bytes]]


def open_stream(caller: Caller, opener: Opener) -> HttpResponse | StreamingHttpResponse:
    """The answer that is a stream. A process that is about to stop ends it at once: an EventSource comes again after a 200, and after
    nothing else."""
    if feeds().draining:
        return HttpResponse(b"retry: %d\n\n" % RETRY_MS, content_type=_CONTENT_TYPE, headers=_HEADERS)
    return EventStream(caller, opener)


def head_of_stream() -> HttpResponse:
    """What a HEAD of one is answered."""
    return HttpResponse(content_type=_CONTENT_TYPE, headers=_HEADERS)


class StreamView(ApiView):
    """A call whose answer is a stream: the caller is let in and counted in one, as for sockets (tasks.realtime.connections.admit)."""

    authentication_classes = [StreamAuthentication]

    def check_throttles(self, request: Request) -> None:
        _, rate = cast(tuple[Caller, RateState | None], request.auth)
        if rate:
            self.said |= rate.headers


class EventsView(StreamView):
    """Every event of every task of the key."""

    def get(self, request: Request) -> HttpResponse | StreamingHttpResponse:
        return open_stream(caller_of(request), _of_tasks(after=_after(request)))

    def head(self, request: Request) -> HttpResponse:
        return head_of_stream()


class TaskEventsView(StreamView):
    """Every event of one task, until it is over."""

    def get(self, request: Request, task_id: str) -> HttpResponse | StreamingHttpResponse:
        caller, after = caller_of(request), _after(request)
        task = task_of(caller.key, task_id)
        if not task.is_active and after is not None:
            position = history.position_of(caller.key_id)
            if not left_of_ended(task, position, after, clock.now()):
                return HttpResponse(status=204)  # an EventSource that has seen the end stops coming back
        return open_stream(caller, _of_tasks(after=after, task_id=task.pk))

    def head(self, request: Request, task_id: str) -> HttpResponse:
        task_of(caller_of(request).key, task_id)
        return head_of_stream()


def caller_of(request: Request) -> Caller:
    return cast(tuple[Caller, RateState | None], request.auth)[0]


def _of_tasks(*, after: int | None, task_id: UUID | None = None) -> Opener:
    return partial(TaskStream, form=as_sse, task_id=task_id, after=after)


def _after(request: Request) -> int | None:
    """Where to go on. An EventSource that reconnects keeps its address and sends the header, which is newer; those that cannot send
    headers add `lastEventId` to the address instead."""
    query = request.query_params
    return position_in(request.headers.get("Last-Event-ID") or query.get("lastEventId") or query.get("after"))


class EventStream(StreamingHttpResponse):
    """An open stream. Its seat is taken here, so that a refusal is an answer like any other."""

    def __init__(self, caller: Caller, opener: Opener) -> None:
        self._feeds = feeds()
        owner = str(caller.key_id)
        seats().blocking.acquire(owner, **bounds())
        # Once, by `close`, or when a request was given up while this was made and nobody has it.
        self._give_back = weakref.finalize(self, seats().blocking.release, Counter({owner: 1}))
        self._give_back.atexit = False
        self._caller = caller
        self._gate: Gate | None = None
        super().__init__(self._events(opener), content_type=_CONTENT_TYPE, headers=_HEADERS)

    async def _events(self, opener: Opener) -> AsyncIterator[bytes]:
        stream = opener(self._feeds, self._caller)
        telling = asyncio.create_task(_tell(stream))
        try:
            yield b"retry: %d\n\n" % RETRY_MS  # the headers go out with it
            while (piece := await _next(stream, self._gate)) is not None:
                yield piece
            if stream.error:
                yield b"event: error\ndata: " + json.dumps(envelope(stream.error)).encode() + b"\n\n"
        except Dropped:
            return
        finally:
            stream.close()
            telling.cancel()

    def paced_by(self, gate: Gate | None) -> None:
        """The handler says who knows how fast the client takes the stream."""
        self._gate = gate

    def close(self) -> None:
        """Called in a thread when the stream is over, whether it began or not."""
        self._give_back()
        super().close()


async def _tell(stream: Stream[bytes]) -> None:
    try:
        await stream.run()
    except Exception as error:  # noqa: BLE001 - classify knows what each means, and logs what nobody foresaw
        stream.end(classify(error))


async def _next(stream: Stream[bytes], gate: Gate | None) -> bytes | None:
    while True:
        try:
            async with asyncio.timeout(COMMENT_SECONDS):
                return await stream.next(gate)
        except TimeoutError:
            if gate is None or gate.is_open:
                return _COMMENT
