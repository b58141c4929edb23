"""Streaming endpoints, each added in one file.

An app's `streams.py` is found by its name, and says what is told:

    @streaming("/v1/ticks")
    async def ticks(caller: Caller, query: Mapping[str, str]) -> AsyncGenerator[Mapping[str, Any]]:
        while True:
            yield {"type": "tick", "at": rfc3339(clock.now())}
            await asyncio.sleep(1)

Each object has a `type`. `GET /v1/ticks` tells them as server-sent events, and a WebSocket to the same path as JSON in text frames.
Keys, addresses and rates are checked as everywhere, each connection takes a seat, the source waits while its reader does, a key that
is disabled ends it, and so does, with a word that the client should come again, a process that is about to stop.
"""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from functools import cache, partial
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.urls import URLPattern, path
from django.utils.module_loading import autodiscover_modules
from rest_framework.request import Request

from keys.client_tokens import Right, check_right
from tasks.realtime.connections import Caller, query_of
from tasks.realtime.feeds import Feeds
from tasks.realtime.sse import StreamView, caller_of, head_of_stream, open_stream
from tasks.realtime.stream import SourceStream
from tasks.realtime.websocket import socket

Source = Callable[[Caller, Mapping[str, str]], AsyncGenerator[Mapping[str, Any]]]
Application = Callable[..., Awaitable[None]]

_sources: dict[str, Source] = {}


def streaming(address: str) -> Callable[[Source], Source]:
    """Serve what the function yields at that path."""

    def register(source: Source) -> Source:
        _sources[address] = source
        return source

    return register


def sockets() -> dict[str, Application]:
    """The ASGI applications of WebSockets, by path."""
    return {address: socket(partial(_opened_by_scope, source)) for address, source in _registered().items()}


def views() -> list[URLPattern]:
    """What answers requests to the same paths."""
    return [path(address.removeprefix("/"), SourceView.as_view(source=source)) for address, source in _registered().items()]


@cache
def _registered() -> Mapping[str, Source]:
    autodiscover_modules("streams")
    return _sources


class SourceView(StreamView):
    """Server-sent events of a source."""

    source: Source | None = None  # given by as_view

    def get(self, request: Request) -> HttpResponse | StreamingHttpResponse:
        query = {name: value for name, value in request.query_params.items() if isinstance(value, str)}
        check_right(caller_of(request).key, Right.READ_KEY)
        return open_stream(caller_of(request), partial(_opened, self.source, query, _as_sse))

    def head(self, request: Request) -> HttpResponse:
        return head_of_stream()


def _opened_by_scope(source: Source, scope: Mapping[str, Any]) -> Callable[[Feeds, Caller], SourceStream[str]]:
    return partial(_opened, source, query_of(scope), json.dumps)


def _opened(source: Any, query: Mapping[str, str], form: Callable[[Any], Any], feeds: Feeds, caller: Caller) -> SourceStream[Any]:
    return SourceStream(feeds, caller, form, source(caller, query))


def _as_sse(told: Mapping[str, Any]) -> bytes:
    """`type` is the event's name, by which a page listens for it."""
    return f"event: {told['type']}\ndata: {json.dumps(told)}\n\n".encode()
