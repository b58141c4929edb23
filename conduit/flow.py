"""Back pressure: how fast a client takes a stream.

An ASGI `send` of daphne never waits, so whatever is sent to a slow reader piles up in this process. Twisted, below it,
does tell when a connection's buffer is full; this listens.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from twisted.internet.interfaces import IPushProducer
from twisted.web.http import Request
from zope.interface import implementer


@implementer(IPushProducer)
class _Tap:
    """What Twisted closes while the connection's buffer is full."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.opened.set()

    def pauseProducing(self) -> None:
        self.opened.clear()

    def resumeProducing(self) -> None:
        self.opened.set()

    def stopProducing(self) -> None:
        self.opened.set()  # the connection is gone: who waits here finds out by cancellation


async def at_the_readers_pace(pieces: Iterator[bytes], send: Any) -> AsyncIterator[bytes]:
    """The pieces, each read in a thread when the client has taken most of what came before."""
    request = _twisted_request(send)
    tap = _Tap()
    if request:
        request.registerProducer(tap, True)
    try:
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            await tap.opened.wait()
            yield piece
    finally:
        if request and request.channel:
            request.unregisterProducer()


def _twisted_request(send: Any) -> Request | None:
    """The request behind daphne's `send`, which is a partial of it; None under any other server."""
    bound = getattr(send, "args", ())
    return bound[0] if bound and isinstance(bound[0], Request) else None
