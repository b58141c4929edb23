"""How a connection's bytes reach its client at the moment, and how they stop doing so."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from conduit.signalr.options import Transport
from conduit.streams.gate import Gate

__all__ = ["CHUNK", "Transport", "Wire"]

CHUNK = 64 * 1024  # of what is sent or read at once, before it is asked whether there may be more
# Of what a client says that is not read for now, so much is taken in all the same: behind it may be the news that it leaves.
AHEAD = 16 * 1024


class Side(Protocol):
    """The connection, as wires use it."""

    @property
    def is_over(self) -> bool: ...

    @property
    def is_stopped(self) -> bool: ...

    @property
    def unread(self) -> int: ...

    async def room(self) -> None: ...

    def take(self, limit: int) -> bytes: ...


class Wire:
    """What a transport attaches to a connection. `ready` is set when there is something to take, or the wire is over."""

    def __init__(self, gate: Gate | None = None) -> None:
        self.ready = asyncio.Event()
        self.is_replaced = False
        self._gate = gate
        self._is_sending = False
        self._holding: asyncio.Task[None] | None = None

    @property
    def is_stuck(self) -> bool:
        """Whether the client does not take what it was sent."""
        return self._is_sending or (self._gate is not None and not self._gate.is_open)

    def replace(self) -> None:
        """A newer wire took over."""
        self.is_replaced = True
        self.ready.set()

    def abort(self) -> None:
        """The client does not read: nothing more is said to it."""
        if self._gate is not None:
            self._gate.abort()

    def pause_reading(self) -> None:
        if self._gate is not None:
            self._gate.pause_reading()

    def hold_back(self, connection: Side) -> None:
        """Take nothing more from the client while much of it waits to be read."""
        if connection.is_stopped and connection.unread > AHEAD and self._holding is None and not self.is_replaced:
            self.pause_reading()
            self._holding = asyncio.create_task(self._hold(connection))

    async def _hold(self, connection: Side) -> None:
        while connection.is_stopped and not self.is_replaced:
            await connection.room()
        self._holding = None
        if self._gate is not None:
            self._gate.resume_reading()

    def let_go(self) -> None:
        """The client has left."""
        if self._holding is not None:
            self._holding.cancel()

    async def pump(self, connection: Side, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send what the connection has until it is over or another wire takes over."""
        while True:
            await self.ready.wait()
            self.ready.clear()
            while not self.is_replaced and (data := connection.take(CHUNK)):
                await self._send(data, send)
            if self.is_replaced or connection.is_over:
                return

    async def _send(self, data: bytes, send: Callable[[bytes], Awaitable[None]]) -> None:
        self._is_sending = True
        try:
            await send(data)
        finally:
            self._is_sending = False
        if self._gate is not None and not self._gate.is_open:
            await self._gate.wait_open()
