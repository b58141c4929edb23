"""Creates on an event loop of the test's own, as a web process does them, and by the ordinary way."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from django.conf import settings

from conduit.redis_on_loop import loop_redis
from conduit.web import lines
from conduit.web.quick_creates import PATH, QuickCreates
from keys import rates
from tests.conftest import Consumer

GOOD = {"model": "minimax-video", "prompt": "a cat"}


class Quick:
    """What was answered on the loop, or that the request `went_on` to the ordinary way, with which body."""

    def __init__(self) -> None:
        self.went_on: bytes | None = None
        self.status_code = 0
        self.headers: dict[str, str] = {}
        self.content = b""

    def json(self) -> Any:
        return json.loads(self.content)

    async def take(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status_code = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.content += message.get("body", b"")


@asynccontextmanager
async def quick_creates(ordinary: Any) -> AsyncIterator[QuickCreates]:
    """Each test has an event loop of its own, where a process has one."""
    for made in (loop_redis, lines.lines_of_keys):
        made.cache_clear()
    creates = QuickCreates(ordinary)
    yield creates
    await creates.close()
    await loop_redis(settings.REDIS_URL, seconds=rates.ANSWER_SECONDS).close()


def body_of(wanted: object) -> bytes:
    return wanted if isinstance(wanted, bytes) else json.dumps(wanted).encode()


def scope_of(secret: str, body: bytes, **headers: str) -> dict[str, Any]:
    given = {
        "host": "localhost",
        "authorization": f"Bearer {secret}",
        "x_request_id": "mine",
        "content_type": "application/json",
        "content_length": str(len(body)),
        **headers,
    }
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items() if value]
    return {"type": "http", "method": "POST", "path": PATH, "headers": sent, "client": ("127.0.0.1", 1)}


async def post(creates: QuickCreates, secret: str, wanted: object = GOOD, **headers: str) -> Quick:
    """One call on the loop."""
    quick, body = Quick(), body_of(wanted)
    creates._ordinary = _went_on_of(quick)
    await creates(scope_of(secret, body, **headers), _receiving(body), quick.take)
    return quick


def _went_on_of(quick: Quick) -> Any:
    async def ordinary(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        quick.went_on = message["body"]

    return ordinary


def _receiving(body: bytes) -> Any:
    pieces = [body[: len(body) // 2], body[len(body) // 2 :]]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    return receive


def quickly(secret: str, wanted: object = GOOD, **headers: str) -> Quick:
    """One call on a loop of its own."""
    return at_once([(secret, wanted, headers)])[0]


def at_once(calls: Sequence[tuple[str, object, dict[str, str]]]) -> list[Quick]:
    """All of these at the same moment, on one loop."""

    async def all_of_them() -> list[Quick]:
        async with quick_creates(None) as creates:
            return list(await asyncio.gather(*[post(creates, secret, wanted, **headers) for secret, wanted, headers in calls]))

    return asyncio.run(all_of_them())


def ordinarily(consumer: Consumer, wanted: object = GOOD, **headers: str) -> Any:
    """The same call by Django's own handlers."""
    given = {"host": "localhost", "x-request-id": "mine"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return consumer.http.post(PATH, body_of(wanted), content_type="application/json", headers=given)
