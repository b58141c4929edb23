"""daphne and what is below it, fitted to us where they have no setting for it."""

import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from autobahn.twisted.websocket import ConnectionDeny
from autobahn.websocket import protocol
from daphne.http_protocol import WebRequest
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet.tcp import Port
from twisted.web import http

from conduit.api.access_log import log_request
from conduit.api.middleware import request_id_of
from conduit.api.network import nearest_client
from conduit.logs import shortened
from conduit.web import live
from conduit.web.backpressure import meter_sockets
from conduit.web.bodies import Admits, collect_at_most
from conduit.web.leaving import answer_at_once, leave_at_once
from conduit.web.refusals import Headers, in_envelope

# Of what is wrong with a request: some reasons repeat what the client sent.
_REASON_CHARACTERS_MAX = 200
# Autobahn and daphne take 12 µs for a frame: the 64 KiB that Twisted reads at once may be 3,600 pings, 45 ms in which nobody else is
# served, and ten sockets full of them came to 1 to 3 s on a busy machine, again and again. So a socket is read by pieces that take about
# a millisecond of processor time: few bytes of small frames, more of large ones.
_READ_BYTES, _READ_BYTES_MAX = 512, 16 * 1024
_READ_SECONDS = 0.001
# Connections that are accepted in one turn of the loop, a third of a millisecond each: twisted takes 20 more each time that there are more.
_ACCEPTS = 4
# What a client may send before its socket is accepted.
_EARLY_BYTES_MAX = 64 * 1024


def patch_daphne(*, body_bytes: int, more_of: Mapping[str, int] | None = None, admits: Admits | None = None) -> None:
    """For this process. Of a request's body, `body_bytes` and one more are kept; `more_of` has other bounds by path, and `admits`
    says who may send long ones (conduit.web.bodies)."""
    collect_at_most(body_bytes, {path.encode(): limit for path, limit in (more_of or {}).items()}, admits)
    _read_sockets_little_by_little()
    _accept_few_at_once()
    meter_sockets()
    leave_at_once()
    answer_at_once({live.PATH.encode(): live.at_once})
    _color_nothing()
    _write_no_second_line()
    _know_all_statuses()
    _leave_forms_alone()
    _let_no_client_move_the_root()
    _tell_sockets_the_whole_path()
    _refuse_in_envelopes()


def _read_sockets_little_by_little() -> None:
    """A piece at a time of each WebSocket."""
    connected, received = WebSocketProtocol.connectionMade, WebSocketProtocol.dataReceived

    def connection_made(socket: Any) -> None:
        socket.transport.bufferSize = _READ_BYTES
        connected(socket)

    def data_received(socket: Any, data: bytes) -> None:
        if socket.state == socket.STATE_CONNECTING and len(socket.data) > _EARLY_BYTES_MAX:
            socket.transport.abortConnection()  # nobody has accepted it yet, and all of this would wait for that
            return
        began = time.thread_time()
        received(socket, data)
        size = socket.transport.bufferSize
        if time.thread_time() - began > _READ_SECONDS:
            socket.transport.bufferSize = max(_READ_BYTES, size // 2)
        elif len(data) == size:
            socket.transport.bufferSize = min(_READ_BYTES_MAX, size * 2)

    WebSocketProtocol.connectionMade = connection_made
    WebSocketProtocol.dataReceived = data_received


def _accept_few_at_once() -> None:
    accept = Port.doRead

    def accept_few(port: Any) -> None:
        port.numberAccepts = min(port.numberAccepts, _ACCEPTS)
        accept(port)

    Port.doRead = accept_few  # type: ignore[method-assign]


def _color_nothing() -> None:
    """Keep autobahn from coloring, for each frame, what a debug line would say: 8 of the 67 µs that telling one of 300 connections of
    an event took."""
    protocol.hltype = protocol.hlval = _as_it_is


def _write_no_second_line() -> None:
    """Twisted makes a line of each request for a log that nobody reads."""
    http.HTTPFactory.log = _nothing  # type: ignore[method-assign, assignment]


def _nothing(*_: Any) -> None:
    pass


def _as_it_is(*given: Any, **_: Any) -> Any:
    return given[0]


def _know_all_statuses() -> None:
    """Twisted calls those that came after HTTP/1.1's first, such as 429, unknown."""
    for status in HTTPStatus:
        http.RESPONSES.setdefault(status.value, status.phrase.encode())


def _leave_forms_alone() -> None:
    """Twisted reads the content type of each POST with the e-mail package, 5 % of what a create costs, and parses forms on the event
    loop, all of a body at once: Django does so again, in its thread."""
    WebRequest._parsePOSTFormSubmission = property(lambda _: False, lambda *_: None)  # each request sets its own to True


# ---- What a request says of itself


def _let_no_client_move_the_root() -> None:
    """daphne believes anybody's `Daphne-Root-Path`: with it, a path that looks like the API's opens the console."""
    process = WebRequest.process

    def process_without(request: Any) -> Any:
        request.requestHeaders.removeHeader(b"daphne-root-path")
        if any(not value.isascii() for value in request.requestHeaders.getRawHeaders(b"sec-websocket-protocol", [])):
            return request.basic_error(400, b"Bad Request", "Invalid header value")  # daphne reads it as ASCII, and breaks off
        return process(request)

    WebRequest.process = process_without


def _tell_sockets_the_whole_path() -> None:
    """autobahn takes `//host` at its beginning for a host and `;…` at its end for parameters, where HTTP requests have them in the
    path: what guards paths must see the same one."""
    connect = WebSocketProtocol.onConnect

    def connect_there(socket: Any, request: Any) -> Any:
        request.path = socket.http_request_uri.partition("?")[0]
        return connect(socket, request)

    WebSocketProtocol.onConnect = connect_there


# ---- Refusals


def refuse_upgrade(socket: WebSocketProtocol, status: int, headers: Headers, body: bytes) -> None:
    """Answer the handshake of a WebSocket with this, where daphne itself answers 403 without a word to all."""
    handshake = getattr(socket, "handshake_deferred", None)
    if handshake is None:  # the client has left, or daphne was quicker
        return
    del socket.handshake_deferred
    socket.refusal = (status, headers, body)
    handshake.errback(ConnectionDeny(status, _phrase(status)))
    socket.server.protocol_disconnected(socket)


def _refuse_in_envelopes() -> None:
    """What daphne, twisted and autobahn refuse by themselves is a page of HTML, or nothing but a status."""
    http.HTTPChannel._respondToBadRequestAndDisconnect = refuse_unread  # type: ignore[method-assign]
    http.HTTPChannel.lineLengthExceeded = lambda channel, line: refuse_unread(channel)  # type: ignore[method-assign]
    WebRequest.basic_error = _refuse_request
    WebSocketProtocol.failHandshake = _refuse_handshake


def refuse_unread(channel: Any, status: int = 400, reason: str = "The request is malformed, or its headers are too long.") -> None:
    """Answer what is not a whole request, such as twisted's own answer to what is no HTTP, and end the connection."""
    request = channel.requests[-1] if channel.requests else None
    refusal = _Refusal(status, reason, sent(request, b"x-request-id"))
    channel.transport.write(refusal.whole())
    channel.loseConnection()
    method, target = (getattr(channel, name, b"").decode("latin-1") for name in ("_command", "_path"))
    refusal.log(method, target, channel.transport.getPeer(), sent(request, b"x-forwarded-for"))


def _refuse_request(request: Any, status: int, status_text: bytes, body: Any) -> None:
    """daphne's pages."""
    refusal = _Refusal(status, body.decode() if isinstance(body, bytes) else body, sent(request, b"x-request-id"))
    request.handle_reply({"type": "http.response.start", "status": status, "headers": refusal.headers})
    request.handle_reply({"type": "http.response.body", "body": refusal.body})
    refusal.log(request.method.decode("latin-1"), request.uri.decode("latin-1"), request.client, sent(request, b"x-forwarded-for"))


def _refuse_handshake(socket: Any, reason: str, code: int = 400, responseHeaders: Any = None) -> None:
    """autobahn's answer to a handshake that is none, and what refuse_upgrade says."""
    socket.wasNotCleanReason = reason
    if answer := getattr(socket, "refusal", None):
        socket.sendData(_as_bytes(*answer))
    else:
        sent = getattr(socket, "http_headers", {})
        more = [(name.encode(), value.encode()) for name, value in responseHeaders or ()]
        more += [(b"allow", b"GET")] if code == HTTPStatus.METHOD_NOT_ALLOWED else []
        refusal = _Refusal(code, reason, sent.get("x-request-id", ""), more)
        socket.sendData(refusal.whole())
        method, target, *_ = [*str(getattr(socket, "http_status_line", "")).split(" "), "", ""]
        refusal.log(method, target, socket.transport.getPeer(), sent.get("x-forwarded-for", ""))
    socket.dropConnection(abort=False)


class _Refusal:
    """What is refused before there is an ASGI scope."""

    def __init__(self, status: int, reason: str, sent_id: str, more: Headers | None = None) -> None:
        self.status = status
        self._id = request_id_of(sent_id)
        headers = [(b"x-request-id", self._id.encode()), *(more or ())]
        self.headers, self.body = in_envelope(status, headers, shortened(reason, _REASON_CHARACTERS_MAX).encode())

    def whole(self) -> bytes:
        return _as_bytes(self.status, self.headers, self.body)

    def log(self, method: str, target: str, peer: Any, forwarded: str) -> None:
        client = nearest_client(str(getattr(peer, "host", "")), forwarded)
        with structlog.contextvars.bound_contextvars(request_id=self._id):
            log_request(method=method, path=target.partition("?")[0], status=self.status, began=time.perf_counter(), client=client)


def sent(request: Any, name: bytes) -> str:
    """What a request of twisted's, if there is one yet, has in that header."""
    values = request.requestHeaders.getRawHeaders(name, []) if request else []
    return b",".join(values).decode("latin-1")


def _as_bytes(status: int, headers: Headers, body: bytes) -> bytes:
    """A whole answer, after which the connection ends."""
    lines = [f"HTTP/1.1 {status} {_phrase(status)}".encode(), *(b"%s: %s" % pair for pair in headers), b"connection: close"]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _phrase(status: int) -> str:
    return http.RESPONSES.get(status, b"Refused").decode()
