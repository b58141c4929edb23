"""One client, whatever carries its bytes: handshake, dispatch, time limits and what waits to be sent."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any

from conduit.signalr import handshake
from conduit.signalr.calls import Calls
from conduit.signalr.hubs import Hub, told
from conduit.signalr.inbound import Inbound, TooMany
from conduit.signalr.messages import (
    Ack,
    Call,
    CancelInvocation,
    Close,
    Completion,
    Incoming,
    Invocation,
    Outgoing,
    Ping,
    Sequence,
    StreamItem,
)
from conduit.signalr.options import Options
from conduit.signalr.outbound import Outbound
from conduit.signalr.protocols import PROTOCOLS, BrokenMessage, HubProtocol
from conduit.signalr.replay import Replay
from conduit.signalr.wires import Transport, Wire

logger = logging.getLogger(__name__)

CLOSED_WITH_ERROR = "Connection closed with an error."
_PINGS = {name: protocol.write(Ping()) for name, protocol in PROTOCOLS.items()}
# Microsoft's JavaScript client begins to count numbered messages only after it has handled the handshake's answer: what reaches it
# in the same breath is not counted, and after a reconnect all is off by one. It pings once it counts; others may not.
_HELD_SECONDS = 0.25
# What a client may need after its handshake until it has started: when it says nothing, and after its first ping. That is the last step
# of Microsoft's, which over server-sent events waits until the POST was answered, perhaps by way of another process.
_START_SECONDS, _FIRST_PING_SECONDS = 0.5, 5.0
_BEFORE_CLOSE_SECONDS = 1.0  # the same after its first ping, for a client that is to be gone and not only sent on
# Of the messages in one frame, as many are handled in a row as take so long; then others have their turn.
_IN_A_ROW_SECONDS = 0.002
_STREAM_AHEAD = 16 * 1024  # bytes of streams that may wait for a client before their methods do


class Connection:
    """A client of the hub, in the process that owns it.

    `user` is what authenticate returned, `scope` the ASGI scope of the request that opened the transport.
    """

    def __init__(
        self,
        connection_id: str,
        *,
        user: Any,
        scope: Mapping[str, Any],
        transport: Transport,
        stateful: bool,
        options: Options,
        make_hub: Callable[["Connection"], Hub],
        gone: Callable[["Connection"], Awaitable[None]],
        allows: Callable[[], bool] = lambda: True,
    ) -> None:
        self.id = connection_id
        self.user = user
        self.scope = scope
        self.transport = transport
        self.stateful = stateful
        self._options = options
        self._make_hub = make_hub
        self._gone = gone
        self._hub: Hub | None = None
        self._calls: Calls | None = None
        self._protocol: HubProtocol | None = None
        self._inbound = Inbound(options, allows=allows)
        self._outbound = Outbound(options)
        self._leaves_at: float | None = None  # when the client's Close is answered at the latest
        self._sealed_at: float | None = None
        self._close_reason: Exception | None = None
        self._is_ended = self._is_heard_out = False
        self._parting: tuple[str | None, bool, Exception | None] | None = None  # what to close with once the client has started
        self._comes_again = self._has_called = False  # called: said what shows that it has started
        self._spoke_at: float | None = None  # first, after the handshake
        self._ending: asyncio.Task[None] | None = None
        self._has_pinged = False
        self._opened_at = self._last_received = self._wire_changed_at = self._acked_at = time.monotonic()

    # What hubs use.

    def send(self, message: Invocation, *, replaces: Hashable | None = None) -> None:
        """Send a call to the client. Never waits.

        `replaces`: of the messages with an equal token that were not sent yet, only the newest remains. A client that leaves too
        much unsent is closed. TypeError or ValueError when an argument has no encoding. Nothing happens once the connection ends.
        """
        if self._sealed_at is None and self._protocol is not None:
            self._put(message.encoded(self._protocol), numbered=True, replaces=replaces)

    async def drained(self) -> None:
        """Wait until what was sent is on its way: for a hub that sends much, at the client's pace."""
        await self._outbound.drained()

    def close(self, error: str | None = None, *, reconnect: bool = False) -> None:
        """Say Close after everything that was sent, and end. `reconnect`: clients with automatic reconnect come again."""
        self._close_once_started(error, reconnect, None if error is None else ConnectionError(error))

    def come_again(self) -> None:
        """Have the client connect anew: now, or once it has started. Until then it would take a Close for a failure of its start and not
        come again, or wait for ever for a connection that it has stopped itself."""
        self._parting = self._parting or (None, True, None)
        self._comes_again = True
        self._part_once_started(time.monotonic())

    def _close_once_started(self, error: str | None, reconnect: bool, reason: Exception | None) -> None:
        # Over server-sent events the start of Microsoft's client lasts for two more POSTs: a Close in between is never told to its user.
        if self._protocol is None or self.transport is not Transport.SERVER_SENT_EVENTS or self._has_started(time.monotonic()):
            self._close(error, reconnect, reason)
        elif self._sealed_at is None:
            self._parting, self._comes_again = (error, reconnect, reason), False
            self._close_reason = reason  # also for a client that leaves before it is told
            self._inbound.buffer.clear()

    def _close(self, error: str | None, reconnect: bool, reason: Exception | None) -> None:
        if self._sealed_at is not None:
            return
        if self._protocol is not None:
            self._put(self._protocol.write(Close(error, reconnect)), numbered=False)
        self._seal(reason)

    def _has_started(self, now: float) -> bool:
        after_ping = _FIRST_PING_SECONDS if self._comes_again else _BEFORE_CLOSE_SECONDS
        since, patience = (self._last_received, _START_SECONDS) if self._spoke_at is None else (self._spoke_at, after_ping)
        return self._has_called or now - since > patience

    def _part_once_started(self, now: float) -> None:
        if self._parting is not None and self._protocol is not None and self._leaves_at is None and self._has_started(now):
            self._close(*self._parting)

    @property
    def is_open(self) -> bool:
        """Whether what is sent now may still reach the client."""
        return self._sealed_at is None

    # What invocations use.

    def reply(self, message: StreamItem | Completion) -> None:
        self._write(message, numbered=True)

    async def made_room(self) -> None:
        """Let others run; wait when the client is behind."""
        if self._outbound.size > _STREAM_AHEAD:
            await self._outbound.drained()
        else:
            await asyncio.sleep(0)

    def go_on(self) -> None:
        """Methods have taken some of what waits for them."""
        if self._leaves_at is not None:
            self._part()
        elif self._inbound.is_stopped and self._calls is not None and self._calls.has_room:
            self._last_received = time.monotonic()
            self._inbound.resume()
            self._read_on()

    def fail(self, error: Exception, *, reconnect: bool = False) -> None:
        """Close with an error that tells only what was meant to be told."""
        if isinstance(error, BrokenMessage | TooMany | TimeoutError):
            text = f"{CLOSED_WITH_ERROR} {error}"
        else:
            text = told(CLOSED_WITH_ERROR, error, in_detail=self._options.detailed_errors)
            if text == CLOSED_WITH_ERROR or self._options.detailed_errors:
                logger.error("A hub's connection failed", exc_info=error)
        self._close_once_started(text, reconnect, error)

    # What transports use.

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to take, now or later."""
        return self._is_ended or (self._sealed_at is not None and self._outbound.is_empty)

    @property
    def is_ended(self) -> bool:
        return self._is_ended

    @property
    def has_heard_all(self) -> bool:
        """Whether its client has taken the last that is said to it, and all that is left for it is to go."""
        return self.is_over and not self._is_ended

    async def gone(self) -> None:
        """End it, for a client that is not waited for any longer, and wait until its end was told."""
        self.left()
        if self._ending is not None:
            await self._ending

    @property
    def is_resumable(self) -> bool:
        """Whether the client may come back on another socket, and both sides know what the other missed."""
        return self._outbound.replay is not None and self._sealed_at is None

    @property
    def is_binary(self) -> bool:
        return self._protocol is not None and self._protocol.binary

    @property
    def is_stopped(self) -> bool:
        """Whether nothing more is read from the client for now: what comes waits."""
        return self._inbound.is_stopped

    async def room(self) -> None:
        """Wait until `is_stopped` may have changed, or the wire."""
        await self._inbound.room()

    @property
    def unread(self) -> int:
        """Bytes of the client that wait to be read."""
        return len(self._inbound.buffer)

    @property
    def has_flooded(self) -> bool:
        """Whether it was closed because of how much came: what still comes is not worth reading."""
        return self._inbound.has_flooded

    def attach(self, wire: Wire) -> None:
        """From now on bytes go out by this wire; an older one is over."""
        if self._outbound.wire is not None:
            self._lose_wire()
        self._outbound.wire = wire
        self._last_received = self._outbound.taken_at = time.monotonic()
        wire.ready.set()

    def detach(self, wire: Wire, *, final: bool) -> None:
        """The wire is gone. `final`: no other one is awaited."""
        if self._outbound.wire is wire:
            if final:
                self._hear_out()
            cut_off = self._cut_off()
            self._lose_wire()
            if final:
                self.end(cut_off)

    def left(self) -> None:
        """The client has said by other means that it leaves."""
        self.end(self._cut_off())

    def _hear_out(self) -> None:
        """What came before the client left counts, also when it was not read yet; no more can come."""
        if self.is_stopped and self.transport is Transport.WEB_SOCKETS:
            self._is_heard_out = True
            self._inbound.resume()
            self._read_on()

    def _cut_off(self) -> Exception | None:
        return self._inbound.cut_off() if self._sealed_at is None and self._leaves_at is None else None

    def _lose_wire(self) -> None:
        out = self._outbound
        if out.wire is not None:
            out.wire.replace()
        out.wire = None
        self._wire_changed_at = time.monotonic()
        self._inbound.look_again()
        if out.replay is not None and self._protocol is not None:
            self._inbound.buffer.clear()
            out.replay.cut()
            first, unacknowledged = out.replay.again()
            out.put_first(self._protocol.write(Sequence(first)), *unacknowledged)

    def take(self, limit: int) -> bytes:
        """The next bytes for the client, about `limit` of them; none when it has to wait."""
        return self._outbound.take(limit)

    def put_back(self, data: bytes) -> None:
        """Bytes of a poll whose client went away before its answer."""
        if not self._is_ended:
            self._outbound.put_back(data)

    def received(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._protocol is not None:
            self._outbound.release()
            self._spoke_at = self._spoke_at or time.monotonic()
            # On a socket it has sent its ping when we read it.
            self._has_called = self._has_called or self.transport is Transport.WEB_SOCKETS or data != _PINGS[self._protocol.name]
            self._part_once_started(time.monotonic())
        if self._sealed_at is not None or self._leaves_at is not None:
            return
        self._last_received = time.monotonic()
        self._inbound.buffer += data
        self._read_on(fresh=True)

    def _read_on(self, *, fresh: bool = False) -> None:
        try:
            if not self._read() and fresh and not self.is_stopped:
                self._inbound.count()  # a piece that brings no message is as much work
        except handshake.HandshakeFailed as error:
            self._refuse(str(error))
        except (BrokenMessage, TooMany) as error:
            self.fail(error)

    def _read(self) -> int:
        """How many messages were read: all that are whole, or so many as their methods let wait."""
        if self._protocol is None:
            self._shake_hands()
        if self._protocol is None or self._calls is None:
            return 0
        count, until = 0, time.monotonic() + _IN_A_ROW_SECONDS
        for frame in self._inbound.frames(self._protocol):
            count += 1
            message = self._protocol.parse(frame)
            if message is not None and (self._outbound.replay is None or self._outbound.replay.is_new(message)):
                self._handle(message, len(frame), self._calls)
            if self._sealed_at is not None or self._leaves_at is not None:
                break
            if self._is_heard_out:
                continue
            if self._calls.is_full:
                self._inbound.stop()
            elif time.monotonic() > until and self._inbound.buffer:
                self._inbound.stop()
                asyncio.get_running_loop().call_soon(self.go_on)
        return count

    def _shake_hands(self) -> None:
        binary = self.transport is not Transport.SERVER_SENT_EVENTS
        agreed = handshake.read_handshake(self._inbound.buffer, limit=self._options.message_bytes, binary=binary)
        if agreed is None:
            return
        self._protocol = agreed.protocol
        if self._parting is not None:
            self._outbound.put_first(handshake.answer())
            return
        if self.stateful and agreed.version >= 2:
            self._outbound.hold(Replay(self._options.stateful_buffer_bytes))
        self.stateful = self._outbound.replay is not None
        self._outbound.put_first(handshake.answer())
        try:
            self._hub = self._make_hub(self)
        except Exception as error:  # noqa: BLE001 - the application's constructor may fail in any way
            self.fail(error)
            return
        self._calls = Calls(self, self._hub, self._options)
        self._calls.start()

    def _handle(self, message: Incoming, size: int, calls: Calls) -> None:
        match message:
            case Call():
                calls.accept(message, size)
            case Ping():
                self._has_pinged = True
                self._inbound.count_ping()
            case StreamItem():
                calls.item(message, size)
            case Completion():
                calls.completed(message, size)
            case CancelInvocation():
                calls.cancel(message.invocation_id)
            case Close():
                self._leaves_at = time.monotonic() + self._options.closing
                self._close_reason = None if message.error is None else ConnectionError(message.error)
                self._part()
            case Ack() if self._outbound.replay is not None:
                self._outbound.replay.acknowledged(message.sequence_id)
                self._outbound.wake()
            case Sequence() if self._outbound.replay is not None:
                self._outbound.replay.resume(message)

    def _part(self) -> None:
        """Answer the client's Close, once what it invoked before is done or has taken too long."""
        if self._calls is not None and (self._calls.is_idle or time.monotonic() >= (self._leaves_at or 0)):
            self._write(Close(), numbered=False)
            self._seal(self._close_reason)

    def _refuse(self, error: str) -> None:
        """Answer the handshake with an error, and end."""
        self._outbound.put_first(handshake.answer(error))
        self._seal(ConnectionError(error))

    # What is due, asked by one clock for all connections.

    def check(self, now: float) -> None:
        """Ping, acknowledge and give up, as the time says."""
        options = self._options
        if self._is_ended:
            return
        if now - self._last_received > _HELD_SECONDS:
            self._outbound.release()
        self._part_once_started(now)
        if self._sealed_at is not None:
            patience = options.closing if self._outbound.wire is not None else options.disconnect
            if now - self._sealed_at > patience:
                self._give_up(self._close_reason)
        elif self._leaves_at is not None:
            self._part()
        elif self._protocol is None and now - self._opened_at > options.handshake:
            self._refuse(handshake.CANCELLED)
        elif self._outbound.wire is None:
            if now - self._wire_changed_at > options.disconnect:
                self.end(TimeoutError("The client did not come back."))
        else:
            self._check_wire(now)

    def _check_wire(self, now: float) -> None:
        if self._has_pinged and not self.is_stopped and now - self._last_received > self._options.client_timeout:
            limit = f"{self._options.client_timeout:g}"
            self.fail(TimeoutError(f"The client was silent for {limit} seconds."), reconnect=True)
            return
        if self._protocol is None:
            return
        replay = self._outbound.replay
        if replay is not None and now - self._acked_at >= 1 and (number := replay.due_ack()) is not None:
            self._acked_at = now
            self._write(Ack(number), numbered=False)
        pings = self.transport is not Transport.LONG_POLLING
        if pings and now - self._outbound.taken_at >= self._options.keep_alive and not self._outbound.waits:
            self._put(_PINGS[self._protocol.name], numbered=False)

    # The end.

    def _seal(self, reason: Exception | None) -> None:
        """Nothing is said or heard after this but what already waits to be sent."""
        if self._sealed_at is None:
            self._sealed_at = time.monotonic()
            self._close_reason = reason
            self._inbound.buffer.clear()
            self._inbound.resume()
            self._outbound.is_last = True
            self._outbound.wake()

    def _give_up(self, error: Exception | None) -> None:
        """The client does not take what it is sent."""
        wire = self._outbound.wire
        self.end(error)
        if wire is not None:
            wire.abort()

    def end(self, error: Exception | None = None) -> None:
        """It is over; the hub is told. Once."""
        if self._is_ended:
            return
        self._is_ended = True
        self._seal(error)
        self._outbound.clear()
        has_left = error is None or isinstance(error, BrokenMessage)
        self._ending = asyncio.create_task(self._finish(error or self._close_reason, self._options.closing if has_left else 0))

    async def _finish(self, error: Exception | None, patience: float) -> None:
        if self._calls is not None:
            await self._calls.end(patience)
        try:
            if self._hub is not None and self._calls is not None and self._calls.was_connected:
                await self._hub.on_disconnected(error)
        except Exception:
            logger.exception("A hub failed when its connection had ended")
        await self._gone(self)

    # Writing.

    def _write(self, message: Outgoing, *, numbered: bool) -> None:
        if self._sealed_at is None and self._protocol is not None:
            self._put(self._protocol.write(message), numbered=numbered)

    def _put(self, data: bytes, *, numbered: bool, replaces: Hashable | None = None) -> None:
        self._outbound.put(data, numbered=numbered, replaces=replaces)
        if self._outbound.is_too_much:
            logger.warning("A client left %d bytes unsent and is closed", self._outbound.size)
            self._give_up(ConnectionError("The client is too slow."))
        else:
            self._outbound.wake()
