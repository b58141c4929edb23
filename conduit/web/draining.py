"""A deploy must not hurt: on SIGTERM daphne finishes what is under way and tells its streams to come back elsewhere.

daphne itself would cancel everything at once. Its reactor is stopped only when what was under way is over. A proxy or client
that kept a connection may send one more request on it, and not every client would send that again to another process: whatever
still comes is answered, and the connection closed with that answer.
"""

import asyncio
import select
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import structlog
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet.tcp import Port, Server
from twisted.web.http import HTTPChannel

log = structlog.get_logger(__name__)

# What is under way may take this long after SIGTERM, in seconds: a call may stand in its key's line for PATIENCE_SECONDS (lines.py), and
# is to be answered after that. A supervisor that stops the process has more patience than that.
DRAIN_SECONDS = 20.0
LOOK_SECONDS = 0.05
# Kept connections on which nothing came for so long (seconds) are closed: their owners know by then that nobody listens here any
# more, and use no others.
QUIET_SECONDS = 1.0
# How long requests are waited for that are still being sent (seconds): a client that sends them by drops keeps us no longer.
SENDING_SECONDS = 4.0
# Twisted's port accepts some at a time: often enough for all that the kernel lets wait, and not for ever.
ACCEPTS_MAX = 1000

Step = Callable[[], Awaitable[None] | None]

_begun_at_sigterm = threading.Event()


def has_begun() -> bool:
    """Whether this process is on its way out: it serves what still comes, and wants no more."""
    return _begun_at_sigterm.is_set()


def drain_at_sigterm(under_way: Callable[[], int], *, begin: Sequence[Step], end: Sequence[Step]) -> None:
    """Under daphne, handle SIGTERM: stop listening, call `begin`, wait until nothing is under way and nothing more comes, call `end`."""
    if "daphne.server" not in sys.modules:
        return
    from twisted.internet import reactor

    def install() -> None:
        loop = asyncio.get_event_loop()
        tasks: set[asyncio.Task[None]] = set()

        def start(*_: object) -> None:
            _begun_at_sigterm.set()
            if not tasks:
                tasks.add(loop.create_task(_drain(reactor, under_way, begin, end)))

        signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(start))

    reactor.callWhenRunning(install)


async def _drain(reactor: Any, under_way: Callable[[], int], begin: Sequence[Step], end: Sequence[Step]) -> None:
    waits_for = "who waits to be let in"
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            await _stop_listening(reactor)
            _close_with_the_next_answer(reactor)
            waits_for = "streams to be told"
            await asyncio.gather(*map(_done, begin))
            waits_for = "what is under way"
            await _until_quiet(reactor, under_way)
            waits_for = "what the process leaves behind"
            await asyncio.gather(*map(_done, end))
    except TimeoutError:
        log.warning("ended before everything was over", waits_for=waits_for, under_way=under_way())
    finally:
        # Python gives its own handlers up before it ends: one more SIGTERM would then kill a process that ends well.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        reactor.stop()


async def _until_quiet(reactor: Any, under_way: Callable[[], int]) -> None:
    began = busy_at = time.monotonic()
    while under_way() or (_has_connections(reactor) and time.monotonic() - busy_at < QUIET_SECONDS):
        await asyncio.sleep(LOOK_SECONDS)
        is_sent = time.monotonic() - began < SENDING_SECONDS and _is_being_sent(reactor)
        if under_way() or reactor.getWriters() or is_sent or _is_being_closed(reactor):
            busy_at = time.monotonic()


async def _done(step: Step) -> None:
    """What goes wrong in one must not keep the others from ending well."""
    try:
        if (waiting := step()) is not None:
            await waiting
    except Exception:
        log.exception("draining failed")


async def _stop_listening(reactor: Any) -> None:
    for port in [reader for reader in reactor.getReaders() if isinstance(reader, Port)]:
        _accept_who_waits(port)
        stopped = port.stopListening()
        if stopped is not None:
            await stopped.asFuture(asyncio.get_running_loop())


def _accept_who_waits(port: Any) -> None:
    """A client that came while this process was busy has perhaps sent a request already, and would be reset when the port is closed."""
    waiting = select.poll()
    waiting.register(port.fileno(), select.POLLIN)
    for _ in range(ACCEPTS_MAX):
        if not waiting.poll(0):
            return
        port.doRead()


def _close_with_the_next_answer(reactor: Any) -> None:
    """Keep no connection open beyond the answer that is under way on it, or the next."""
    HTTPChannel.checkPersistence = _is_the_last  # type: ignore[method-assign]
    for connection in _connections(reactor):
        channel = getattr(connection.protocol, "_channel", None)
        if isinstance(channel, HTTPChannel) and channel.requests:
            channel.persistent = False
            for request in channel.requests:
                if not request.startedWriting:
                    request.responseHeaders.setRawHeaders(b"connection", [b"close"])


def _is_the_last(channel: Any, request: Any, version: bytes) -> bool:
    request.responseHeaders.setRawHeaders(b"connection", [b"close"])
    return False


def _is_being_sent(reactor: Any) -> bool:
    """Whether a request has begun to come, and is not answered: while it is not whole the application has not seen it."""
    channels = (getattr(connection.protocol, "_channel", None) for connection in _connections(reactor))
    return any(isinstance(channel, HTTPChannel) and channel.requests for channel in channels)


def _is_being_closed(reactor: Any) -> bool:
    """Whether a WebSocket was told its end and has not answered: reset by ours, its client may lose what it was told. It has the time
    that conduit.web.tracing gives it."""
    protocols = (connection.protocol for connection in _connections(reactor))
    return any(isinstance(protocol, WebSocketProtocol) and protocol.state == protocol.STATE_CLOSING for protocol in protocols)


def _has_connections(reactor: Any) -> bool:
    return any(_connections(reactor))


def _connections(reactor: Any) -> Iterator[Any]:
    return (reader for reader in reactor.getReaders() if isinstance(reader, Server))
