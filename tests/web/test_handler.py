"""The ASGI handler: synchronous views in one thread, bodies of unknown length, streams piece by piece."""

import asyncio
import json
import threading
from typing import Any

import pytest
from django.db import connections
from django.http import HttpResponse, StreamingHttpResponse
from django.test import override_settings
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from conduit.api.callers import known_before_pause, pause
from conduit.web.handler import OneHopHandler

released = threading.Event()
threads: list[int] = []
held: list[Any] = []
closed = threading.Event()


def _pieces() -> Any:
    yield b"first"
    released.wait(timeout=60)  # nobody has read the second before the first was sent
    yield b"second"


def _until_closed() -> Any:
    try:
        while True:
            yield b"more"
            released.wait(timeout=0.01)
    finally:
        closed.set()


def _breaks() -> Any:
    yield b"first"
    raise OSError("the disk is gone")


@csrf_exempt
def length(request: Any) -> HttpResponse:
    return HttpResponse(json.dumps([request.META.get("CONTENT_LENGTH"), request.read().decode()]))


def holds_a_connection(request: Any) -> StreamingHttpResponse:
    connections["default"].ensure_connection()
    held.append(connections["default"])
    return StreamingHttpResponse(_pieces())


def which_thread(request: Any) -> HttpResponse:
    threads.append(threading.get_ident())
    return HttpResponse(b"ok")


PAUSE_SECONDS = 77.0


@csrf_exempt
def waits(request: Any) -> HttpResponse:
    if not (known := known_before_pause(request)):
        pause(request, PAUSE_SECONDS, "again")
    return HttpResponse(f"{known}: {request.read().decode()}")


urlpatterns = [
    path("waits", waits),
    path("stream", lambda request: StreamingHttpResponse(_pieces())),
    path("held", holds_a_connection),
    path("leaving", lambda request: StreamingHttpResponse(_until_closed())),
    path("breaks", lambda request: StreamingHttpResponse(_breaks())),
    path("empty", lambda request: StreamingHttpResponse(iter(()))),
    path("length", length),
    path("thread", which_thread),
]
handler400 = "conduit.api.views.bad_request"
handler500 = "conduit.api.views.server_error"


class Exchange:
    """One request to the handler, and what it sent so far."""

    def __init__(self, path: str, *body: bytes, headers: tuple[tuple[bytes, bytes], ...] = (), method: str = "POST") -> None:
        self.scope = {
            "type": "http", "method": method, "path": path, "query_string": b"", "root_path": "",
            "headers": [(b"host", b"testserver"), *headers], "client": ("127.0.0.1", 1), "server": ("testserver", 80),
        }  # fmt: skip
        self.parts = [{"type": "http.request", "body": part, "more_body": True} for part in body]
        self.parts.append({"type": "http.request", "body": b"", "more_body": False})
        self.sent: list[dict[str, Any]] = []
        self.first = asyncio.Event()
        self.left = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        if self.parts:
            return self.parts.pop(0)
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)
        if message.get("body"):
            self.first.set()

    async def run(self) -> "Exchange":
        await asyncio.wait_for(OneHopHandler()(self.scope, self.receive, self.send), timeout=60)
        return self

    @property
    def status(self) -> int:
        return self.sent[0]["status"]

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


@pytest.fixture(autouse=True)
def _own_paths():
    with override_settings(ROOT_URLCONF=__name__):
        released.clear()
        threads.clear()
        yield


def test_a_synchronous_stream_is_sent_piece_by_piece():
    async def scenario() -> Exchange:
        exchange = Exchange("/stream", method="GET")
        running = asyncio.create_task(exchange.run())
        await asyncio.wait_for(exchange.first.wait(), timeout=60)
        assert exchange.body == b"first"
        released.set()
        return await running

    exchange = asyncio.run(scenario())
    assert [message["body"] for message in exchange.sent if message.get("body")] == [b"first", b"second"]
    assert not exchange.sent[-1].get("more_body")


def test_the_loop_goes_on_while_a_stream_waits():
    async def scenario() -> None:
        slow, quick = Exchange("/stream", method="GET"), Exchange("/empty", method="GET")
        running = asyncio.create_task(slow.run())
        await asyncio.wait_for(slow.first.wait(), timeout=60)
        await quick.run()
        assert quick.status == 200
        assert slow.body == b"first"
        released.set()
        await running

    asyncio.run(scenario())


@pytest.mark.django_db
def test_a_slow_download_keeps_no_database_connection_from_others(monkeypatch):
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)

    async def scenario() -> None:
        slow = Exchange("/held", method="GET")
        running = asyncio.create_task(slow.run())
        await asyncio.wait_for(slow.first.wait(), timeout=60)
        assert held.pop().connection is None
        released.set()
        await running

    asyncio.run(scenario())


def test_a_client_that_leaves_ends_its_stream():
    async def scenario() -> None:
        leaving = Exchange("/leaving", method="GET")
        running = asyncio.create_task(leaving.run())
        await asyncio.wait_for(leaving.first.wait(), timeout=60)
        leaving.left.set()
        await running

    asyncio.run(scenario())

    assert closed.wait(timeout=60)


def test_an_empty_stream_is_an_empty_answer():
    exchange = asyncio.run(Exchange("/empty", method="GET").run())

    assert (exchange.status, exchange.body) == (200, b"")


def test_a_stream_that_breaks_off_is_not_ended_as_if_it_were_whole():
    async def scenario() -> Exchange:
        exchange = Exchange("/breaks", method="GET")
        with pytest.raises(OSError, match="the disk is gone"):
            await exchange.run()
        return exchange

    exchange = asyncio.run(scenario())
    assert exchange.body == b"first"
    assert exchange.sent[-1]["more_body"] is True


@pytest.mark.parametrize(
    ("parts", "headers", "seen"),
    [
        ((b"ab", b"cde"), (), ["5", "abcde"]),
        ((b"ab", b"cde"), ((b"transfer-encoding", b"chunked"),), ["5", "abcde"]),
        ((b"abcde",), ((b"content-length", b"5"),), ["5", "abcde"]),
        ((), (), [None, ""]),
        ((b"x" * 3_000_000,), (), ["3000000", "x" * 3_000_000]),
    ],
)
def test_a_body_that_came_in_chunks_has_its_length(parts, headers, seen):
    exchange = asyncio.run(Exchange("/length", *parts, headers=headers).run())

    assert json.loads(exchange.body) == seen


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_create_may_come_in_chunks(consumer, settings, monkeypatch):
    settings.ROOT_URLCONF = "conduit.urls"
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)  # the handler's thread keeps none
    headers = ((b"authorization", f"Bearer {consumer.secret}".encode()), (b"content-type", b"application/json"))
    exchange = asyncio.run(Exchange("/v1/video/generations", b'{"model": "minimax-video", ', b'"prompt": "a cat"}', headers=headers).run())

    assert exchange.status == 202
    assert json.loads(exchange.body)["prompt"] == "a cat"


def test_a_view_runs_outside_the_event_loops_thread():
    asyncio.run(Exchange("/thread", method="GET").run())

    assert threads
    assert threads[0] != threading.get_ident()


def test_a_request_that_has_to_wait_gives_its_thread_back_and_begins_again_when_it_is_time(settings, monkeypatch):
    settings.WEB_THREADS = 1
    sleep = asyncio.sleep

    async def scenario() -> None:
        paused, over = asyncio.Event(), asyncio.Event()

        async def until_it_is_time(seconds: float, *given: Any) -> Any:
            if seconds != PAUSE_SECONDS:
                return await sleep(seconds, *given)
            paused.set()
            return await over.wait()

        monkeypatch.setattr(asyncio, "sleep", until_it_is_time)
        handler = OneHopHandler()
        waits = Exchange("/waits", b"body")
        waiting = asyncio.create_task(handler(waits.scope, waits.receive, waits.send))
        await asyncio.wait_for(paused.wait(), timeout=60)
        other = Exchange("/thread", method="GET")
        await asyncio.wait_for(handler(other.scope, other.receive, other.send), timeout=60)  # while the other waits
        assert other.status == 200
        assert not waiting.done()
        over.set()
        await asyncio.wait_for(waiting, timeout=60)
        assert (waits.status, waits.body) == (200, b"again: body")

    asyncio.run(scenario())
