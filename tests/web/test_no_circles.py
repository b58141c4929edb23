"""What a request made is freed as it ends, and not by the garbage collection, which stops the event loop for tens of milliseconds."""

import asyncio
import gc
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from conduit.api.errors import TooManyRequests
from conduit.web.handler import OneHopHandler
from conduit.web.router import Router
from tasks.models import Task
from tests.support.quick_creates import post, quick_creates
from tests.support.quick_reads import asked, scope_of
from videos.models import Video

TIMES = 10


@contextmanager
def no_collection() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of what tests before this one have left to the collection
        gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def left() -> list[Any]:
    return [one for one in gc.get_objects() if isinstance(one, Task | Video)]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite keeps the ordinary way")
def test_tasks_that_were_created_or_read_on_the_loop_are_freed_with_their_answers(consumer):
    async def create() -> int:
        async with quick_creates(None) as creates:
            for _ in range(TIMES):
                await post(creates, consumer.secret)
            return len(left())

    task_id = consumer.generate()["task_id"]

    with no_collection():
        before = len(left())
        created = asyncio.run(create())
        read = asked(scope_of(task_id, consumer.secret), between=lambda: None, times=TIMES)

        assert {answer.status_code for answer in read} == {200}
        assert max(created, len(left())) - before < TIMES  # some wait to be told of


def test_a_connection_is_freed_with_its_request():
    class Send:
        async def __call__(self, message: Any) -> None:
            pass

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def ask() -> "weakref.ref[Send]":
        send = Send()
        scope = {"type": "http", "method": "GET", "path": "/v1/models", "headers": [], "query_string": b"", "client": ["127.0.0.1", 1]}
        await Router(http=application, websocket=application, paths={})(scope, None, send)
        return weakref.ref(send)

    with no_collection():
        assert asyncio.run(ask())() is None


def test_a_request_that_may_not_wait_is_freed_with_its_refusal(monkeypatch):
    class Body:
        def close(self) -> None:
            pass

    async def refused(*_: Any) -> Any:
        raise TooManyRequests("Send fewer.")

    async def sent(message: Any) -> None:
        pass

    async def ask() -> "weakref.ref[Body]":
        body = Body()

        async def read_body(_: Any) -> Body:
            return body

        handler = OneHopHandler()
        monkeypatch.setattr(handler, "read_body", read_body)
        monkeypatch.setattr(handler, "_answer", refused)
        scope = {"type": "http", "method": "GET", "path": "/v1/models", "headers": [], "query_string": b"", "client": ["127.0.0.1", 1]}
        await handler(scope, None, sent)
        monkeypatch.undo()
        return weakref.ref(body)

    with no_collection():
        assert asyncio.run(ask())() is None
