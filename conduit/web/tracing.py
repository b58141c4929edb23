"""What every request has, wherever answered: an id on the answer and in the logs, an envelope when it is refused, a line in the log."""

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from daphne.ws_protocol import WebSocketProtocol

from conduit.api.access_log import log_request
from conduit.api.always import with_always
from conduit.api.middleware import request_id_of
from conduit.web.daphne_patches import refuse_upgrade
from conduit.web.refusals import Application, Headers, client_of, header, in_envelope

_REASON_BYTES_MAX = 123  # what a close frame has room for (RFC 6455, 5.5)
# A client that has not answered a close by then is reset, and may lose with it what it had not read, the reason included. autobahn's
# own second is short for a busy client; a leaving process waits for no answer longer either.
_ANSWER_SECONDS = 5
_UPGRADE_REFUSED = 403
_START, _BODY = "http.response.start", "http.response.body"
_REFUSE_START, _REFUSE_BODY = "websocket.http.response.start", "websocket.http.response.body"


@dataclass(slots=True)
class _Refusal:
    type: str
    status: int
    headers: Headers
    body: bytes = b""


class TracedSend:
    """An ASGI `send` that puts the request's id on the answer, refusals in the API's envelope, and remembers how it was answered."""

    def __init__(self, send: Any, request_id: str) -> None:
        self.inner = send
        self.args = getattr(send, "args", ())  # daphne's connection is found by them
        self.status: int | None = None
        self._id: tuple[bytes, bytes] = (b"x-request-id", request_id.encode())
        self._refusal: _Refusal | None = None  # kept back until it is whole

    async def __call__(self, message: dict[str, Any]) -> None:
        if message["type"] in (_START, _REFUSE_START):
            await self._begin(message)
        elif self._refusal and message["type"] in (_BODY, _REFUSE_BODY):
            await self._refuse(self._refusal, message)
        elif message["type"] == "websocket.accept":
            self.status = 101
            await self.inner(message)
        elif message["type"] == "websocket.close":
            await self._close(message)
        else:
            await self.inner(message)

    async def _begin(self, message: dict[str, Any]) -> None:
        self.status = message["status"]
        headers = with_always([*message.get("headers", []), self._id])
        if message["status"] >= 400 and not any(value.startswith(b"text/html") for _, value in headers):  # a page for people stays one
            self._refusal = _Refusal(message["type"], message["status"], headers)
        else:
            await self.inner({**message, "headers": headers})

    async def _refuse(self, refusal: "_Refusal", message: dict[str, Any]) -> None:
        refusal.body += message.get("body", b"")
        if message.get("more_body"):
            return
        self._refusal = None
        headers, body = in_envelope(refusal.status, refusal.headers, refusal.body)
        if refusal.type == _REFUSE_START and (socket := self._socket):
            refuse_upgrade(socket, refusal.status, headers, body)
            return
        await self.inner({"type": refusal.type, "status": refusal.status, "headers": headers})
        await self.inner({**message, "body": body})

    async def _close(self, message: dict[str, Any]) -> None:
        """Close with the reason, which daphne leaves out, and with codes of servers such as 1012, which it does not let pass."""
        if self.status != 101:  # it never was open
            self.status = _UPGRADE_REFUSED
            if socket := self._socket:
                refuse_upgrade(socket, self.status, *in_envelope(self.status, [self._id], b"This connection is not allowed."))
                return
        else:
            self.status = message.get("code", 1000)
            if (socket := self._socket) and socket.state == socket.STATE_OPEN:
                socket.closeHandshakeTimeout = _ANSWER_SECONDS
                socket._closeConnection = partial(_close_gently, socket)
                socket.sendCloseFrame(code=self.status, reasonUtf8=(message.get("reason") or "").encode()[:_REASON_BYTES_MAX])
                return
        await self.inner(message)

    @property
    def _socket(self) -> WebSocketProtocol | None:
        protocol = self.args[0] if self.args else None
        return protocol if isinstance(protocol, WebSocketProtocol) else None


def _close_gently(protocol: WebSocketProtocol, abort: bool = False) -> None:
    """End the connection as TCP wants it once the client has answered the close: a reset would make it unclean for browsers."""
    if abort and not protocol.wasClean:
        protocol.transport.abortConnection()
    else:
        protocol.transport.loseConnection()


def traced(application: Application, *, logged: bool = True) -> Application:
    """What conduit.api.middleware does for Django's requests: an id, bound to the logs, and a line when it is over."""

    async def trace(scope: dict[str, Any], receive: Any, send: Any) -> None:
        request_id = request_id_of(header(scope, b"x-request-id"))
        began = time.perf_counter()
        sending = TracedSend(send, request_id)
        if scope["type"] == "websocket":
            scope = {**scope, "extensions": {**scope.get("extensions", {}), "websocket.http.response": {}}}
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await application(scope, receive, sending)
            finally:
                if logged:
                    method = scope.get("method", "WEBSOCKET")
                    log_request(method=method, path=scope["path"], status=sending.status, began=began, client=client_of(scope))

    return trace
