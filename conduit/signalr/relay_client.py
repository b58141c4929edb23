"""Serving a request here whose connection lives in another process."""

import asyncio
import logging
from typing import Any

import msgpack

from conduit.signalr.http import Receive, Send
from conduit.signalr.mailboxes import Mailboxes, Record, Unavailable
from conduit.signalr.options import Options
from conduit.signalr.relayed_requests import RETRY_SECONDS, RelayedRequests, item
from conduit.signalr.transports import bytes_of, send_on_socket
from conduit.signalr.wires import Transport
from conduit.streams.gate import Gate

logger = logging.getLogger(__name__)

_LIVENESS_SECONDS = 1.0
_TRY_AGAIN = 4503  # closes a socket; servers let no code of their own below 4000 pass


class Gone(Exception):
    """The connection's process does not live any more, or does not know it."""


class RelayClient:
    """One request of a connection that lives elsewhere."""

    def __init__(
        self, mail: Mailboxes, relayed: RelayedRequests, *, token: str, record: Record, wire: str, process: str, options: Options
    ) -> None:
        self._mail = mail
        self._relayed = relayed
        self._token = token
        self._record = record
        self._wire = wire
        self._process = process
        self._options = options

    async def poll(self) -> tuple[int, bytes]:
        """The answer of a long poll. Gone, Unavailable. When it is cancelled, what was told too late is given back."""
        async with self._relayed.expecting(self._wire) as arrived:
            await self._tell("poll", self._process)
            try:
                status, body = await self._answer(arrived)
            except asyncio.CancelledError:
                await asyncio.shield(self._give_back(arrived))
                raise
        return (200, body) if self._relayed.is_leaving else (status, body)  # nothing to tell is no end: the client polls again

    async def _answer(self, arrived: asyncio.Event) -> tuple[int, bytes]:
        while True:
            await self._wait(arrived)
            for packed in await self._mail.patiently(lambda: self._mail.answers(self._wire)) or []:
                status, body = msgpack.unpackb(packed)
                return status, body
            if self._relayed.is_leaving:
                await self._tell("left")  # which is answered, too

    async def _wait(self, arrived: asyncio.Event) -> None:
        """Wait until there may be an answer, as long as the connection lives."""
        try:
            async with asyncio.timeout(_LIVENESS_SECONDS):
                await arrived.wait()
        except TimeoutError:
            if not await self._mail.patiently(self._lives):
                raise Gone from None
        arrived.clear()

    async def _lives(self) -> bool | None:
        return await self._mail.is_alive(self._record.process, self._token) or None

    async def _give_back(self, arrived: asyncio.Event) -> None:
        try:
            await self._tell("left")
            async with asyncio.timeout(self._options.lease):
                _, body = await self._answer(arrived)
            if body:
                await self._tell("back", body)
        except (Gone, Unavailable, TimeoutError) as error:
            logger.info("What a poll was told too late was not given back (%s)", type(error).__name__)

    async def socket(self, gate: Gate | None, receive: Receive, send: Send) -> None:
        """Carry an accepted WebSocket. Its frames pass through Redis; only a cut connection that came back elsewhere pays for that."""
        async with self._relayed.expecting(self._wire) as arrived:
            reading = asyncio.create_task(self._read(gate, receive))
            writing = asyncio.create_task(self._write(arrived, gate, send))
            try:
                await asyncio.wait({reading, writing}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (reading, writing):
                    task.cancel()
                for failed in await asyncio.gather(reading, writing, return_exceptions=True):
                    if isinstance(failed, Exception):
                        expected = isinstance(failed, Gone | Unavailable)
                        logger.log(logging.INFO if expected else logging.ERROR, "A relayed connection is cut", exc_info=failed)
                await self._left(reading, send)

    async def _read(self, gate: Gate | None, receive: Receive) -> int:
        """What the client says, until it leaves: with which code. One after the other: a frame must not come before its wire."""
        await self._tell("socket", self._process)
        while (event := await receive())["type"] != "websocket.disconnect":
            if not await self._told("frame", bytes_of(event)):
                await self._until_told(gate, "frame", bytes_of(event))
        return event.get("code") or 1006

    async def _until_told(self, gate: Gate | None, kind: str, data: bytes) -> None:
        """While the connection does not read, neither does this."""
        if gate is not None:
            gate.pause_reading()
        while not await self._told(kind, data):
            await asyncio.sleep(RETRY_SECONDS)
        if gate is not None:
            gate.resume_reading()

    async def _write(self, arrived: asyncio.Event, gate: Gate | None, send: Send) -> None:
        while True:
            await self._wait(arrived)
            for packed in await self._mail.answers(self._wire):
                answer: Any = msgpack.unpackb(packed)
                if answer is None:
                    return
                binary, data = answer
                await send_on_socket(send, data, binary=binary)
                if gate is not None:
                    await gate.wait_open()
            if self._relayed.is_leaving:
                return

    async def _left(self, reading: "asyncio.Task[int]", send: Send) -> None:
        """Tell the connection how its client left; close the socket of one that has not."""
        code = reading.result() if not reading.cancelled() and reading.exception() is None else None
        if code is None:
            await send({"type": "websocket.close", "code": _TRY_AGAIN})
        try:
            await self._tell("left" if code == 1000 else "cut")
        except (Gone, Unavailable):
            logger.info("A relayed connection's process is gone")

    async def _tell(self, kind: str, data: bytes | str = b"") -> None:
        await self._told(kind, data, bounded=False)

    async def _told(self, kind: str, data: bytes | str, *, bounded: bool = True) -> bool:
        """Whether it was put for the connection's process, or else too much waits there. Gone, Unavailable."""
        transport = Transport(self._record.transport).value
        packed = item(kind, self._wire, data)
        status = await self._mail.post(self._token, self._record.owner, packed, transport=transport, bounded=bounded)
        if status not in {200, 503}:
            raise Gone
        return status == 200
