"""Reads on an event loop of the test's own, as a web process does them, and by the ordinary way."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from django.conf import settings
from django.db import connection

from conduit.redis_on_loop import loop_redis
from conduit.web.quick_reads import QuickReads
from keys import rates
from tests.conftest import Consumer

# Headers that count calls, or time, and so differ between two that are alike.
_COUNTED = {"x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"}


class Quick:
    """What was answered on the loop, or that the request `went_on` to the ordinary way."""

    def __init__(self) -> None:
        self.went_on = False
        self.status_code = 0
        self.headers: dict[str, str] = {}
        self.content = b""

    async def take(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status_code = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.content += message.get("body", b"")


def asked(scope: dict[str, Any], *, between: Callable[[], Any] = lambda: None, times: int = 1) -> list[Quick]:
    """That request as often, and what happens `between` the first and the second, in one process."""

    async def ask() -> list[Quick]:
        answers: list[Quick] = []

        async def ordinary(*_: Any) -> None:
            answers[-1].went_on = True

        async with quick_reads(ordinary) as reads:
            for number in range(times):
                if number == 1:
                    await asyncio.to_thread(_closing(between))
                answers.append(Quick())
                await reads(scope, None, answers[-1].take)
        return answers

    return asyncio.run(ask())


def _closing(act: Callable[[], Any]) -> Callable[[], None]:
    """In a thread of its own, which keeps no connection."""

    def acted() -> None:
        act()
        connection.close()

    return acted


@asynccontextmanager
async def quick_reads(ordinary: Any) -> AsyncIterator[QuickReads]:
    """Each test has an event loop of its own, where a process has one."""
    loop_redis.cache_clear()
    reads = QuickReads(ordinary)
    yield reads
    await reads.close()
    await loop_redis(settings.REDIS_URL, seconds=rates.ANSWER_SECONDS).close()


def scope_of(task_id: Any, secret: str, *, method: str = "GET", query: str = "", root: str = "/v1/tasks", **headers: str) -> dict[str, Any]:
    path = f"{root}/{task_id}".rstrip("/")
    given = {"host": "localhost", "authorization": f"Bearer {secret}", "x_request_id": "mine", **headers}
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items() if value]
    return {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": sent, "client": ("127.0.0.1", 1)}


def read(consumer: Consumer, task_id: Any, *, method: str = "GET", root: str = "/v1/tasks", **headers: str) -> tuple[Quick, Any]:
    """The answers of the quick way and of the ordinary one."""
    [quick] = asked(scope_of(task_id, consumer.secret, method=method, root=root, **headers))
    given = {"host": "localhost", "x-request-id": "mine"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return quick, getattr(consumer.http, method.lower())(f"{root}/{task_id}", headers=given)


def alike(quick: Quick, ordinary: Any) -> None:
    assert (quick.went_on, quick.status_code) == (False, ordinary.status_code)
    assert compared(quick) == compared(ordinary)


def compared(answer: Any) -> dict[str, str]:
    names = {name.lower(): value for name, value in answer.headers.items()}
    return {name: "" if name in _COUNTED else value for name, value in names.items()}
