"""What carries a connection's bytes, for connections that live in this process."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from conduit.signalr.connection import Connection
from conduit.signalr.http import Headers, Receive, Send, start_events, until_left
from conduit.signalr.wires import CHUNK, Wire

logger = logging.getLogger(__name__)

_POLL_BYTES = 256 * 1024
_IN_A_ROW = 64  # messages of one socket, before others have their turn
_NORMAL_CLOSURE = 1000
_FAILED = 4500  # servers let no code of their own below 4000 pass


async def serve_socket(connection: Connection, wire: Wire, receive: Receive, send: Send) -> None:
    """Carry an accepted WebSocket until it closes."""

    async def send_frame(data: bytes) -> None:
        await send_on_socket(send, data, binary=connection.is_binary)

    async def pump() -> None:
        code = _NORMAL_CLOSURE
        try:
            await wire.pump(connection, send_frame)
        except Exception as error:  # noqa: BLE001 - the client has left, or the server refuses such a frame
            logger.info("A WebSocket could not be sent to (%s)", type(error).__name__)
            code = _FAILED
        await send({"type": "websocket.close", "code": code})

    connection.attach(wire)
    pumping = asyncio.create_task(pump())
    code = 1006
    count = 0
    try:
        while (event := await receive())["type"] != "websocket.disconnect":
            count += 1
            if count % _IN_A_ROW == 0:  # what has arrived already is received without a pause
                await asyncio.sleep(0)
            if not wire.is_replaced:
                connection.received(bytes_of(event))
                if connection.has_flooded:
                    wire.pause_reading()
                wire.hold_back(connection)
        code = event.get("code") or code
    except asyncio.CancelledError:
        await _farewell(connection, wire, send_frame)
        raise
    finally:
        wire.let_go()
        await _stopped(pumping)
        final = code in {_NORMAL_CLOSURE, _FAILED}
        connection.detach(wire, final=final or connection.is_over or not connection.is_resumable)


async def send_on_socket(send: Send, data: bytes, *, binary: bool) -> None:
    """JSON goes in text frames: the JavaScript client breaks on binary ones."""
    await send({"type": "websocket.send", "bytes": data} if binary else {"type": "websocket.send", "text": data.decode()})


def bytes_of(event: Mapping[str, Any]) -> bytes:
    data: bytes | None = event.get("bytes")
    return (event.get("text") or "").encode() if data is None else data


async def serve_events(connection: Connection, wire: Wire, headers: Headers, receive: Receive, send: Send) -> None:
    """Carry server-sent events until the connection or the client ends."""

    async def send_event(data: bytes) -> None:
        await send({"type": "http.response.body", "body": b"data: " + data + b"\r\n\r\n", "more_body": True})

    await start_events(send, headers)
    connection.attach(wire)
    pumping = asyncio.create_task(wire.pump(connection, send_event))
    leaving = asyncio.create_task(until_left(receive))
    try:
        await asyncio.wait({pumping, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not leaving.done():
            await send({"type": "http.response.body", "body": b""})
    except asyncio.CancelledError:
        await _farewell(connection, wire, send_event)
        raise
    finally:
        await _stopped(pumping, leaving)
        connection.detach(wire, final=True)


async def next_poll(connection: Connection, wire: Wire, seconds: float) -> tuple[int, bytes]:
    """Status and body of an attached long poll: what there is to tell, or nothing within so many seconds, or that it is over."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                await wire.ready.wait()
                wire.ready.clear()
                if wire.is_replaced:
                    return 204, b""
                if data := connection.take(_POLL_BYTES):
                    return 200, data
                if connection.is_over:
                    connection.end()
                    return 204, b""
    except TimeoutError:
        return 200, b""
    finally:
        connection.detach(wire, final=False)


async def _farewell(connection: Connection, wire: Wire, send: Callable[[bytes], Awaitable[None]]) -> None:
    """The server stops, and has no time: say what can be said at once."""
    connection.close(reconnect=True)
    if not wire.is_replaced and not wire.is_stuck and (data := connection.take(CHUNK)):
        await send(data)


async def _stopped(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
