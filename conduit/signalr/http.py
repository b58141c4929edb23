"""The little HTTP that a hub needs, on bare ASGI."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from conduit.signalr.options import Options

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_NEVER_STORED = (b"cache-control", b"no-cache, no-store")
# For caches that know nothing newer.
NEVER_STORED_OF_OLD = [(b"pragma", b"no-cache"), (b"expires", b"Thu, 01 Jan 1970 00:00:00 GMT")]
_METHODS = b"GET, POST, DELETE"
_PREFLIGHT_SECONDS = b"600"
_HEADER_NAMES = re.compile(r"[\w!#$%&'*+.^`|~-]{1,100}(?:\s*,\s*[\w!#$%&'*+.^`|~-]{1,100}){0,99}", re.ASCII)


class ClientLeft(Exception):
    """The request ended before its body did."""


class TooLarge(Exception):
    """The body is longer than it may be."""


def query(scope: Scope) -> dict[str, str]:
    return dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))


def header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for given, value in scope["headers"] if given == name), "")


async def body_of(receive: Receive, limit: int) -> bytes:
    """The whole body of a request. TooLarge, ClientLeft."""
    body = bytearray()
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ClientLeft
        body += event.get("body", b"")
        if len(body) > limit:
            raise TooLarge
        if not event.get("more_body"):
            return bytes(body)


async def until_left(receive: Receive) -> None:
    """Wait until the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def unless_left(receive: Receive, work: Awaitable[Any]) -> asyncio.Future[Any]:
    """Run the work until it is done or the client is gone, and then cancel it."""
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(until_left(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)
    return working


async def respond(send: Send, status: int, body: bytes = b"", headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """A whole answer, that no cache keeps."""
    given = list(headers)
    if body and not any(name == b"content-type" for name, _ in given):
        given.append((b"content-type", b"text/plain; charset=utf-8"))
    if status != 204:
        given.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": [*given, _NEVER_STORED]})
    await send({"type": "http.response.body", "body": body})


async def respond_json(send: Send, status: int, content: Any, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    await respond(send, status, json.dumps(content).encode(), [(b"content-type", b"application/json"), *headers])


async def start_events(send: Send, headers: Headers) -> None:
    """The head of an event stream, and a comment: without it the head would wait for the first event."""
    plain = [(b"content-type", b"text/event-stream"), (b"content-encoding", b"identity"), (b"x-accel-buffering", b"no"), _NEVER_STORED]
    await send({"type": "http.response.start", "status": 200, "headers": [*headers, *plain, *NEVER_STORED_OF_OLD]})
    await send({"type": "http.response.body", "body": b":\r\n\r\n", "more_body": True})


async def refuse_upgrade(scope: Scope, send: Send, status: int, body: bytes = b"", headers: Headers | None = None) -> None:
    """Not this WebSocket: by its status where the server can say one (daphne answers 403 to all)."""
    if "websocket.http.response" in scope.get("extensions", {}):
        given = [*(headers or []), (b"content-length", str(len(body)).encode())]
        await send({"type": "websocket.http.response.start", "status": status, "headers": given})
        await send({"type": "websocket.http.response.body", "body": body})
    else:
        await send({"type": "websocket.close", "code": 4000 + status})


def cors_headers(scope: Scope, options: Options) -> Headers:
    """What lets scripts of the request's origin read the answer."""
    origin = header(scope, b"origin")
    if not origin:
        return []
    if not options.cors(origin):
        return [(b"vary", b"Origin")]
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", ", ".join(options.cors_expose).encode()),
        (b"vary", b"Origin"),
    ]


def _headers_allowed(scope: Scope, options: Options) -> str:
    """What is asked for, where anything may be sent, beside what Microsoft's clients send."""
    asked = header(scope, b"access-control-request-headers")
    if options.cors_any_header and _HEADER_NAMES.fullmatch(asked):
        return ", ".join(dict.fromkeys([*options.cors_headers, *(name.strip().lower() for name in asked.split(","))]))
    return ", ".join(options.cors_headers)


async def answer_preflight(scope: Scope, send: Send, options: Options) -> None:
    allowed = cors_headers(scope, options)
    if any(name == b"access-control-allow-origin" for name, _ in allowed):
        allowed += [
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _headers_allowed(scope, options).encode("latin-1")),
            (b"access-control-max-age", _PREFLIGHT_SECONDS),
        ]
    await respond(send, 204, headers=allowed)
