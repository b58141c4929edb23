"""Which ASGI application answers what, and what surrounds those that are not Django's."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog
from daphne.ws_protocol import WebSocketProtocol

from conduit.api.middleware import request_id_of
from conduit.api.network import nearest_client

log = structlog.get_logger("conduit.request")

_REASON_BYTES_MAX = 123  # what a close frame has room for (RFC 6455, 5.5)
# A client that has not answered a close by then is reset, and may lose with it what it had not read, the reason included. autobahn's
# own second is short for a busy client; a leaving process has eight for everything.
_ANSWER_SECONDS = 5

Application = Callable[[Any, Any, Any], Any]


class Router:
    """The root application: each path's own, or the one for all others of that protocol. Counts what is under way."""

    def __init__(self, *, http: Application, websocket: Application, paths: Mapping[str, Mapping[str, Application]]) -> None:
        """`paths`: by protocol, applications by the path that they and what is below it belong to."""
        self._others = {"http": http, "websocket": websocket}
        self._paths = paths
        self.under_way = 0

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.under_way += 1
        try:
            await self._application(scope)(scope, receive, send)
        finally:
            self.under_way -= 1

    def _application(self, scope: Mapping[str, Any]) -> Application:
        for root, application in self._paths.get(scope["type"], {}).items():
            if scope["path"] == root or scope["path"].startswith(f"{root}/"):
                return application
        return self._others[scope["type"]]


class TracedSend:
    """An ASGI `send` that puts the request's id on the answer and remembers how it was answered."""

    def __init__(self, send: Any, request_id: str) -> None:
        self.inner = send
        self.args = getattr(send, "args", ())  # conduit.flow finds the connection by them
        self.status: int | None = None
        self._request_id = request_id.encode()

    async def __call__(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", []), (b"x-request-id", self._request_id)]}
        elif message["type"] == "websocket.accept":
            self.status = 101
        elif message["type"] == "websocket.close":
            was_open, self.status = self.status == 101, message.get("code", 1000) if self.status else 403
            if was_open and self._close(self.status, message.get("reason") or ""):
                return
        await self.inner(message)

    def _close(self, code: int, reason: str) -> bool:
        """Close with the reason, which daphne leaves out, and with codes of servers such as 1012, which it does not let pass."""
        protocol = self.args[0] if self.args else None
        if not isinstance(protocol, WebSocketProtocol) or protocol.state != protocol.STATE_OPEN:
            return False
        protocol.closeHandshakeTimeout = _ANSWER_SECONDS
        protocol._closeConnection = partial(_close_gently, protocol)
        protocol.sendCloseFrame(code=code, reasonUtf8=reason.encode()[:_REASON_BYTES_MAX])
        return True


def _close_gently(protocol: WebSocketProtocol, abort: bool = False) -> None:
    """End the connection as TCP wants it once the client has answered the close: a reset would make it unclean for browsers."""
    if abort and not protocol.wasClean:
        protocol.transport.abortConnection()
    else:
        protocol.transport.loseConnection()


def traced(application: Application) -> Application:
    """What conduit.api.middleware does for Django's requests: an id, bound to the logs, and a line when it is over."""

    async def trace(scope: dict[str, Any], receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        request_id = request_id_of(headers.get(b"x-request-id", b"").decode("latin-1"))
        began = time.perf_counter()
        sending = TracedSend(send, request_id)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await application(scope, receive, sending)
            finally:
                log.info(
                    "request",
                    method=scope.get("method", "WEBSOCKET"),
                    path=scope["path"],  # without its query, which may hold a key
                    status=sending.status,
                    ms=round((time.perf_counter() - began) * 1000, 1),
                    client=nearest_client((scope.get("client") or [""])[0], headers.get(b"x-forwarded-for", b"").decode("latin-1")),
                )

    return trace
