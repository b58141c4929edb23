"""Back pressure: how fast a client takes what it is sent.

An ASGI `send` of daphne never waits, so whatever is sent to a slow reader piles up in this process. Twisted, below it,
does tell when a connection's buffer is full; this listens.
"""

import asyncio
import select
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import Executor
from functools import partial
from typing import Any

from daphne.ws_protocol import WebSocketProtocol
from twisted.internet.abstract import FileDescriptor
from twisted.internet.interfaces import IPushProducer
from twisted.web.http import Request
from zope.interface import implementer

from conduit.streams.gate import GATE, Gate
from conduit.streams.rates import Rate

# Of one WebSocket, whatever is in them: applications count their messages, and more strictly. What comes above that has to do with what
# all sockets of the process share, a quarter of its time, or waits.
_FRAMES_PER_SECOND, _FRAMES_BURST = 400, 1000
_SPARE_FRAMES = Rate(4000)
_WAIT_SECONDS = 0.1
# What may wait for the socket to take it before a gate closes (bytes), as for any connection of twisted's. It goes by the size of what it
# reads at once, which is small for WebSockets (daphne_patches): a gate that closed at that would let one event pass in two turns of the
# loop, some in a second when each takes long, while its client takes all that comes.
_UNSENT_BYTES = 64 * 1024
# Pings and pongs of a socket: clients that ping at all do it every few seconds. One that sends more is told why, and has so long
# (seconds) to read it.
_CONTROLS_PER_SECOND, _CONTROLS_BURST = 10, 100
_FIRST_CONTROL_OPCODE = 8
_POLICY_VIOLATION = 1008
_TOO_MANY_CONTROLS = f"More pings came than may: the rate limit is {_CONTROLS_PER_SECOND} a second."
_FAREWELL_SECONDS = 1.0
# Of a connection that is not read, so often (seconds) whether its client has gone: what it said last is not waited for any longer.
_GONE_LOOK_SECONDS = 3.0
# Linux says so although what came before is unread; elsewhere only a reset is seen.
_GONE = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


@implementer(IPushProducer)
class ConnectionGate:
    """Closed while the connection's buffer is full: a conduit.streams.Gate."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._opened = asyncio.Event()
        self._opened.set()

    @property
    def is_open(self) -> bool:
        return self._opened.is_set()

    async def wait_open(self) -> None:
        await self._opened.wait()

    def abort(self) -> None:
        """Drop the connection at once, with whatever its client has not taken."""
        self._transport.abortConnection()

    def pause_reading(self) -> None:
        """Take nothing more from the client: what it sends waits at its end."""
        if not self._transport.disconnected:
            self._transport.pauseProducing()

    def resume_reading(self) -> None:
        if not self._transport.disconnected:
            self._transport.resumeProducing()

    def pauseProducing(self) -> None:
        """Called at each write that leaves more to be sent than twisted reads at once."""
        if _unsent(self._transport) > _UNSENT_BYTES:
            self._opened.clear()

    def resumeProducing(self) -> None:
        self._opened.set()

    def stopProducing(self) -> None:
        self._opened.set()  # the connection is gone: callers that wait here find out by cancellation


def _unsent(transport: Any) -> float:
    """Bytes that the socket has not taken yet; under TLS, which has a buffer in between, whoever says that it is full is believed."""
    if not isinstance(transport, FileDescriptor):
        return float("inf")
    return len(transport.dataBuffer) - transport.offset + transport._tempDataLen


def with_gate(scope: Mapping[str, Any], send: Any) -> dict[str, Any]:
    """The scope with what finds its connection's gate (conduit.streams.gate), by the `send` that daphne gave with it."""
    return {**scope, GATE: partial(_gate_behind, send)}


def _gate_behind(send: Any) -> Gate | None:
    """None under any other server than daphne, and when the client has left."""
    bound = getattr(send, "args", ())
    protocol = bound[0] if bound else None
    if isinstance(protocol, WebSocketProtocol):
        return _gate_of_socket(protocol)
    if isinstance(protocol, Request) and protocol.channel:
        return _gate_of_request(protocol)
    return None


def _gate_of_request(request: Any) -> ConnectionGate:
    """The channel's and not the request's own: it outlives the answer, which need not give it back."""
    channel = request.channel
    gate = ConnectionGate(channel.transport)
    channel.unregisterProducer()
    channel.registerProducer(gate, True)
    return gate


def meter_sockets() -> None:
    """Count what comes on every WebSocket of this process from its first frame on, also before anybody asks for its gate."""
    opened = WebSocketProtocol.onOpen

    def on_open(protocol: Any) -> None:
        _gate_of_socket(protocol)
        opened(protocol)

    WebSocketProtocol.onOpen = on_open


def _gate_of_socket(protocol: Any) -> ConnectionGate | None:
    """The HTTP channel that the upgrade left behind would stop reading while the client does not: its pings would go unheard."""
    if protocol.transport is None or getattr(protocol.transport, "disconnected", False):
        return None
    gate: _SocketGate | None = getattr(protocol, "gate", None)
    if gate is None:
        gate = protocol.gate = _SocketGate(protocol)
        protocol.transport.unregisterProducer()
        protocol.transport.registerProducer(gate, True)
        protocol.onPing = gate.answer_ping
    return gate


class _SocketGate(ConnectionGate):
    """Of a WebSocket. Closes on a flood of pings or pongs, which no application sees, and slows down a client that sends other frames
    that none does: pieces of an endless message."""

    def __init__(self, protocol: Any) -> None:
        super().__init__(protocol.transport)
        self._protocol = protocol
        self._frames = Rate(_FRAMES_PER_SECOND, _FRAMES_BURST)
        self._controls = Rate(_CONTROLS_PER_SECOND, _CONTROLS_BURST)
        self._is_paused = self._is_slowed = False
        self._looking: asyncio.TimerHandle | None = None
        self._unanswered: bytes | None = None
        self._began = protocol.onFrameBegin
        protocol.onFrameBegin = self._frame_begins

    def pause_reading(self) -> None:
        """A client that is not read cannot answer daphne's own pings either: it is asked for none until it is read again."""
        self._is_paused = True
        self._protocol.last_ping = float("inf")
        if self._protocol.autoPingTimeoutCall:
            self._protocol.autoPingTimeoutCall.cancel()
            self._protocol.autoPingTimeoutCall = None
        super().pause_reading()
        self._look_later()

    def resume_reading(self) -> None:
        self._is_paused = False
        if self._looking:
            self._looking.cancel()
        self._protocol.last_ping = time.time()  # noqa: TID251 - what daphne compares it with
        if not self._is_slowed:
            super().resume_reading()

    def _look_later(self) -> None:
        if self._looking:
            self._looking.cancel()
        self._looking = asyncio.get_running_loop().call_later(_GONE_LOOK_SECONDS, self._look)

    def _look(self) -> None:
        if self._transport.disconnected:
            return
        if _is_gone(self._transport):
            self.abort()
        else:
            self._look_later()

    def answer_ping(self, payload: bytes) -> None:
        """A client that pings and reads none of the answers would fill memory with them, and keep itself alive by it. While something
        waits to be read, an event of this moment perhaps, the newest ping alone waits for its answer: it stands for those before."""
        if self.is_open:
            self._protocol.sendPong(payload)
        else:
            self._unanswered = payload

    def resumeProducing(self) -> None:
        super().resumeProducing()
        payload, self._unanswered = self._unanswered, None
        if payload is not None:
            self._protocol.sendPong(payload)

    def _frame_begins(self) -> None:
        self._began()
        if self._protocol.current_frame.opcode >= _FIRST_CONTROL_OPCODE and not self._controls.allows():
            self._end_flood()
        elif not self._is_slowed and not self._frames.allows() and not _SPARE_FRAMES.allows():
            self._is_slowed = True
            super().pause_reading()
            asyncio.get_running_loop().call_later(_WAIT_SECONDS, self._go_on)

    def _end_flood(self) -> None:
        """Say why, hear nothing more, and give the client a moment to read it."""
        if self._protocol.state == self._protocol.STATE_OPEN:
            self._is_paused = True
            self._protocol.sendCloseFrame(code=_POLICY_VIOLATION, reasonUtf8=_TOO_MANY_CONTROLS.encode())
            super().pause_reading()
            asyncio.get_running_loop().call_later(_FAREWELL_SECONDS, self.abort)

    def _go_on(self) -> None:
        self._is_slowed = False
        if not self._is_paused:
            super().resume_reading()


def _is_gone(transport: Any) -> bool:
    """Whether the client has ended its side of the connection."""
    looking = select.poll()
    looking.register(transport.fileno(), _GONE)
    return bool(looking.poll(0))


async def at_the_readers_pace(pieces: Iterator[bytes], gate: Gate | None, threads: Executor) -> AsyncIterator[bytes]:
    """The pieces, each read in one of the threads when the client has taken most of what came before."""
    reading = partial(asyncio.get_running_loop().run_in_executor, threads, next, pieces, None)
    while (piece := await reading()) is not None:
        if gate:
            await gate.wait_open()
        yield piece
