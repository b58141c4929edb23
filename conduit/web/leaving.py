"""Answers leave in the turn of the event loop that gives them.

Twisted has the selector say first that a socket takes what is written to it, in the loop's next turn: two calls of the system more for
each answer, and on a busy loop all that the others do in a turn. Most answers fit into the socket as it is. And what asks nothing of
anybody is answered in the turn in which it came, where a task of its own would have its turn after all others.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from daphne.http_protocol import WebRequest
from daphne.server import Server
from twisted.internet.abstract import FileDescriptor

# The whole answer to the request of that ASGI scope; None: its application shall answer it.
AtOnce = Callable[[Mapping[str, Any]], Sequence[Mapping[str, Any]] | None]


def leave_at_once() -> None:
    """For every answer of this process to an HTTP request."""
    reply = WebRequest.handle_reply

    def reply_at_once(request: Any, message: Mapping[str, Any]) -> None:
        transport = request.channel.transport if request.channel else None
        if isinstance(transport, FileDescriptor):
            with _Writing(transport):
                reply(request, message)
        else:  # TLS has a buffer of its own in between
            reply(request, message)

    WebRequest.handle_reply = reply_at_once


class _Writing:
    """What is written meanwhile is tried at once; what the socket does not take waits for the selector, as ever."""

    __slots__ = ("is_wanted", "transport")

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self.is_wanted = False

    def __enter__(self) -> None:
        self.transport.startWriting = self._note

    def __exit__(self, *_: object) -> None:
        transport = self.transport
        transport.__dict__.pop("startWriting", None)
        # An error, or an end that was waited for, is the reactor's to find: it comes to the same again.
        if self.is_wanted and transport.connected and (transport.doWrite() is not None or _holds_more(transport)):
            transport.startWriting()

    def _note(self) -> None:
        self.is_wanted = True


def _holds_more(transport: Any) -> bool:
    return len(transport.dataBuffer) > transport.offset or bool(transport._tempDataBuffer)


def answer_at_once(paths: Mapping[bytes, AtOnce]) -> None:
    """Have requests for these paths answered so."""
    create = Server.create_application

    def create_unless_answered(server: Any, protocol: Any, scope: dict[str, Any]) -> Any:
        answer = paths.get(scope.get("raw_path", b""))
        messages = answer(scope) if answer and scope["type"] == "http" else None
        if messages is None:
            return create(server, protocol, scope)
        for message in messages:
            protocol.handle_reply(message)
        return None  # as of a client that has gone: there is no application to hand anything to

    Server.create_application = create_unless_answered
