"""`/health/live`: whether this process answers. On the event loop, before threads, Django and every rule about hosts."""

import json
from collections.abc import Mapping
from typing import Any

from conduit.api.errors import METHOD_NOT_ALLOWED, MethodNotAllowed
from conduit.web.refusals import refused_with

_BODY = json.dumps({"status": "ok"}).encode()
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(_BODY)).encode()), (b"cache-control", b"no-store")]


async def live(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
    if scope["method"] not in ("GET", "HEAD"):
        await refused_with(MethodNotAllowed(METHOD_NOT_ALLOWED, headers={"Allow": "GET, HEAD"}))(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _BODY})
