"""daphne and what is below it, fitted to us where they have no setting for it."""

from http import HTTPStatus
from typing import Any

from autobahn.websocket import protocol
from daphne.http_protocol import WebRequest
from twisted.web import http


def patch_daphne(*, body_bytes: int) -> None:
    """For this process. Of a request's body, `body_bytes` and one more are kept."""
    _collect_at_most(body_bytes)
    _color_nothing()
    _know_all_statuses()


def _collect_at_most(limit: int) -> None:
    """Drop what comes after `limit` bytes of a body and one more, by which the application sees that it is too long.

    Twisted collects a body, however long, before the application sees its first byte, and daphne then puts all of it into
    memory. The client is heard out: it gets its answer, where a closed connection would be a reset.
    """
    collect = WebRequest.handleContentChunk

    def collect_some(request: Any, data: bytes) -> None:
        if room := max(0, limit + 1 - request.content.tell()):
            collect(request, data[:room])

    WebRequest.handleContentChunk = collect_some


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
