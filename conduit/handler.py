"""Django's ASGI handler, fitted to synchronous views."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse


class OneHopHandler(ASGIHandler):
    """Runs middleware and view in one thread.

    Every middleware and view here is synchronous. Django's own handler would go to a thread and back for each of them;
    this one does it once a request. It also streams a synchronous body piece by piece, where Django's would read the
    whole of it into memory first.
    """

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        response = await sync_to_async(self.get_response, thread_sensitive=True)(request)
        if isinstance(response, StreamingHttpResponse) and not response.is_async:
            response.streaming_content = _in_threads(iter(cast(Iterator[bytes], response.streaming_content)))
        return response

    def create_request(self, scope: Mapping[str, Any], body_file: Any) -> tuple[ASGIRequest, None] | tuple[None, HttpResponseBase]:
        """A body that came in chunks has no length in its headers, and would be taken for an empty one."""
        if not any(name == b"content-length" for name, _ in scope["headers"]):
            length = body_file.seek(0, 2)
            body_file.seek(0)
            if length:
                scope = {**scope, "headers": [*scope["headers"], (b"content-length", str(length).encode())]}
        return super().create_request(scope, body_file)


async def _in_threads(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


async def refuse_websocket(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """There is no websocket at this path: the handshake is refused."""
    await receive()
    await send({"type": "websocket.close", "code": 4404})
