"""`/health/live`: whether this process answers. On the event loop, before threads, Django and every rule about hosts."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from conduit.api.always import with_always
from conduit.api.errors import METHOD_NOT_ALLOWED, MethodNotAllowed
from conduit.api.middleware import request_id_of
from conduit.web.refusals import Headers, header, refused_with

PATH = "/health/live"
_METHODS = ("GET", "HEAD")
_BODY = json.dumps({"status": "ok"}).encode()
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(_BODY)).encode()), (b"cache-control", b"no-store")]


async def live(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
    """What `at_once` has left."""
    if scope["method"] not in _METHODS:
        await refused_with(MethodNotAllowed(METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(_METHODS)}))(scope, receive, send)
        return
    for message in _answer(_HEADERS):
        await send(message)


def at_once(scope: Mapping[str, Any]) -> Sequence[dict[str, Any]] | None:
    """The answer, which needs nobody, with what every answer has; None of a method that is not allowed."""
    if scope["method"] not in _METHODS:
        return None
    request_id = request_id_of(header(scope, b"x-request-id"))
    return _answer(with_always([*_HEADERS, (b"x-request-id", request_id.encode())]))


def _answer(headers: Headers) -> Sequence[dict[str, Any]]:
    return {"type": "http.response.start", "status": 200, "headers": headers}, {"type": "http.response.body", "body": _BODY}
