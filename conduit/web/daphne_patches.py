"""daphne and what is below it, fitted to us where they have no setting for it."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from autobahn.websocket import protocol
from daphne.http_protocol import WebRequest
from daphne.ws_protocol import WebSocketProtocol
from twisted.web import http

# Autobahn takes about 30 µs for each frame of what is read at once: the 64 KiB of Twisted may be 3,600 pings, during which nobody else
# is served, and ten sockets full of them 1 to 3 s.
_READ_BYTES = 512


def patch_daphne(*, body_bytes: int, more_of: Mapping[str, int] | None = None) -> None:
    """For this process. Of a request's body, `body_bytes` and one more are kept; `more_of` has other bounds by path."""
    _collect_at_most(body_bytes, {path.encode(): limit for path, limit in (more_of or {}).items()})
    _read_sockets_little_by_little()
    _color_nothing()
    _know_all_statuses()


def _collect_at_most(usual: int, limits: Mapping[bytes, int]) -> None:
    """Drop what comes after `limit` bytes of a body and one more, by which the application sees that it is too long.

    Twisted collects a body, however long, before the application sees its first byte, and daphne then puts all of it into
    memory. The client is heard out: it gets its answer, where a closed connection would be a reset.
    """
    collect = WebRequest.handleContentChunk

    def collect_some(request: Any, data: bytes) -> None:
        limit = limits.get(request.channel._path.partition(b"?")[0], usual)
        if room := max(0, limit + 1 - request.content.tell()):
            collect(request, data[:room])

    WebRequest.handleContentChunk = collect_some


def _read_sockets_little_by_little() -> None:
    """A piece at a time of each WebSocket, and no second one before it is accepted: all that had come would be parsed at once then."""
    connected, received, accept = WebSocketProtocol.connectionMade, WebSocketProtocol.dataReceived, WebSocketProtocol.serverAccept

    def connection_made(socket: Any) -> None:
        socket.transport.bufferSize = _READ_BYTES
        connected(socket)

    def data_received(socket: Any, data: bytes) -> None:
        received(socket, data)
        if socket.state == socket.STATE_CONNECTING:
            socket.transport.pauseProducing()

    def server_accept(socket: Any, subprotocol: str | None = None) -> None:
        accept(socket, subprotocol)
        socket.transport.resumeProducing()

    WebSocketProtocol.connectionMade = connection_made
    WebSocketProtocol.dataReceived = data_received
    WebSocketProtocol.serverAccept = server_accept


def _color_nothing() -> None:
    """Keep autobahn from coloring, for each frame, what a debug line would say: 8 of the 67 µs that telling one of 300 connections of
    an event took."""
    protocol.hltype = protocol.hlval = _as_it_is


def _as_it_is(*given: Any, **_: Any) -> Any:
    return given[0]


def _know_all_statuses() -> None:
    """Twisted calls those that came after HTTP/1.1's first, such as 429, unknown."""
    for status in HTTPStatus:
        http.RESPONSES.setdefault(status.value, status.phrase.encode())
