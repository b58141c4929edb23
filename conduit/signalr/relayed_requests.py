"""Requests that reached another process than the one their connection lives in.

The process that has the request (its relay) puts what the client says into the connection's inbox, and waits for
answers under the name of the request's wire. The connection's process attaches a wire that writes these answers.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgpack

from conduit.signalr.connection import Connection
from conduit.signalr.mailboxes import Mailboxes, Unavailable
from conduit.signalr.options import Options
from conduit.signalr.transports import next_poll
from conduit.signalr.wires import Transport, Wire

logger = logging.getLogger(__name__)

_AHEAD = 16  # answers that a relay may have untaken before the connection waits
RETRY_SECONDS = 0.2  # between two looks whether another process has taken enough


def item(kind: str, wire: str = "", data: bytes | str = b"") -> bytes:
    """What is put into an inbox: `poll` and `socket` attach a wire for the process `data`; `post` and `frame` carry bytes; `left`
    and `cut` end a wire by or without its client's will; `back` returns a poll's bytes; `delete` ends the connection."""
    packed: bytes = msgpack.packb([kind, wire, data])
    return packed


class _RemoteWire(Wire):
    """A wire whose other end is in another process."""

    def __init__(self, name: str, process: str) -> None:
        super().__init__()
        self.name = name
        self.process = process
        self.task: asyncio.Task[None] | None = None


class RelayedRequests:
    """Both sides of relaying, for one process: of its own connections, and of requests that wait here."""

    def __init__(self, mail: Mailboxes, options: Options) -> None:
        self._mail = mail
        self._options = options
        self._wires: dict[str, tuple[_RemoteWire, Connection]] = {}  # attached to connections of this process
        self._expected: dict[str, asyncio.Event] = {}  # of requests that wait here
        self.is_leaving = False  # requests that wait here are to end

    # The connection's side.

    @property
    def answering(self) -> int:
        """How many requests of other processes wait for what connections of this one say, or for its way there."""
        return len(self._wires)

    def handle(self, connection: Connection, packed: bytes) -> None:
        """One item of a connection's inbox."""
        kind, name, data = msgpack.unpackb(packed)
        match kind:
            case "post":
                connection.received(data)
            case "frame" if (found := self._wires.get(name)) and not found[0].is_replaced:
                connection.received(data)
            case "poll" | "socket":
                self._attach(connection, _RemoteWire(name, data), kind)
            case "left" | "cut":
                self._detach(name, final=kind == "left")
            case "back":
                connection.put_back(data)
            case "delete":
                connection.left()

    def _attach(self, connection: Connection, wire: _RemoteWire, kind: str) -> None:
        self._wires[wire.name] = wire, connection
        serve = self._serve_poll if kind == "poll" else self._serve_socket
        connection.attach(wire)
        wire.task = asyncio.create_task(serve(connection, wire))
        wire.task.add_done_callback(lambda _: self._wires.pop(wire.name, None))

    def _detach(self, name: str, *, final: bool) -> None:
        if found := self._wires.get(name):
            wire, connection = found
            if connection.transport is Transport.WEB_SOCKETS and wire.task is not None:
                wire.task.cancel()  # a poll ends by itself, with an answer
            wire.replace()
            connection.detach(wire, final=final and connection.transport is Transport.WEB_SOCKETS)

    async def _serve_poll(self, connection: Connection, wire: _RemoteWire) -> None:
        answer = await next_poll(connection, wire, self._options.poll)
        await self._answer(wire, answer)  # a relay whose client left waits for this too: it gives back what comes too late

    async def _serve_socket(self, connection: Connection, wire: _RemoteWire) -> None:
        async def send(data: bytes) -> None:
            waiting = await self._mail.answer(wire.process, wire.name, msgpack.packb([connection.is_binary, data]))
            while waiting > _AHEAD:
                await asyncio.sleep(RETRY_SECONDS)
                waiting = await self._mail.unanswered(wire.name)

        try:
            await wire.pump(connection, send)
            await self._answer(wire, None)
        except Unavailable:  # what was on its way is sent again, on the client's next socket
            logger.info("Redis does not answer; a relayed connection is cut")
        finally:
            connection.detach(wire, final=connection.is_over or not connection.is_resumable)

    async def _answer(self, wire: _RemoteWire, answer: object) -> None:
        try:
            await self._mail.patiently(lambda: self._mail.answer(wire.process, wire.name, msgpack.packb(answer)))
        except Unavailable:
            logger.info("Redis does not answer; a relayed request gets no answer")

    async def part_from_the_dead(self) -> None:
        """Detach the wires of processes that are gone."""
        alive: dict[str, bool] = {}
        for wire, _ in list(self._wires.values()):
            if wire.process not in alive:
                alive[wire.process] = await self._mail.is_alive(wire.process)
            if not alive[wire.process]:
                self._detach(wire.name, final=False)

    # The relay's side.

    @asynccontextmanager
    async def expecting(self, wire: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set when there may be answers for a request of this process."""
        self._expected[wire] = event = asyncio.Event()
        try:
            yield event
        finally:
            del self._expected[wire]

    def answered(self, wire: str) -> None:
        if event := self._expected.get(wire):
            event.set()

    def send_on(self) -> None:
        """This process is about to end: requests that wait here go on in another, to the same connection."""
        self.is_leaving = True
        self.all_answered()

    def all_answered(self) -> None:
        """Something may have been missed: look."""
        for event in self._expected.values():
            event.set()
