"""How a request is refused before it reaches Django: in the API's envelope, whatever refuses it."""

import json
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from django.conf import settings

from conduit.api.always import with_always
from conduit.api.errors import ApiError, envelope, error_of
from conduit.api.network import nearest_client
from conduit.api.policy import HEADER, NOTHING

Application = Callable[[Any, Any, Any], Any]
Headers = list[tuple[bytes, bytes]]


def refused_with(error: ApiError) -> Application:
    """An ASGI application that answers this to requests, and to handshakes of WebSockets."""

    async def refuse(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        headers = [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
        body = json.dumps(envelope(error)).encode()
        headers, body = in_envelope(error.status, [*headers, *_readable_by_scripts(scope)], body)
        kind = "http.response"
        if scope["type"] == "websocket":
            await receive()  # websocket.connect
            kind = "websocket.http.response"
        await send({"type": f"{kind}.start", "status": error.status, "headers": headers})
        await send({"type": f"{kind}.body", "body": body})

    return refuse


def in_envelope(status: int, headers: Headers, body: bytes) -> tuple[Headers, bytes]:
    """Headers and body of a refusal, whose words may be plain text, stand in JSON under `error`, or be missing."""
    try:
        words = json.loads(body)["error"]
    except (ValueError, TypeError, LookupError):
        words = body.decode(errors="replace")
    if not isinstance(words, dict):
        body = json.dumps(envelope(error_of(status, str(words).strip() or f"{_phrase(status)}."))).encode()
    ours = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (HEADER.lower().encode(), NOTHING.encode()),
    ]
    return with_always([*((name, value) for name, value in headers if name.lower() not in dict(ours)), *ours]), body


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Refused"


def _readable_by_scripts(scope: Mapping[str, Any]) -> Headers:
    """What lets scripts of other origins read the refusal, where they may read answers."""
    origin = header(scope, b"origin")
    if not origin or scope["type"] != "http" or not re.match(settings.CORS_URLS_REGEX, scope["path"]):
        return []
    exposed = (b"access-control-expose-headers", ", ".join(settings.CORS_EXPOSE_HEADERS).encode())
    if settings.CORS_ALLOW_ALL_ORIGINS:
        return [(b"access-control-allow-origin", b"*"), exposed]
    if origin not in settings.CORS_ALLOWED_ORIGINS:
        return [(b"vary", b"Origin")]
    return [(b"access-control-allow-origin", origin.encode("latin-1")), exposed, (b"vary", b"Origin")]


def header(scope: Mapping[str, Any], name: bytes) -> str:
    """All values of that header, as one."""
    return ",".join(value.decode("latin-1") for given, value in scope["headers"] if given == name)


def client_of(scope: Mapping[str, Any]) -> str:
    """The client's address, as conduit.api.network finds it."""
    return nearest_client((scope.get("client") or [""])[0], header(scope, b"x-forwarded-for"))
