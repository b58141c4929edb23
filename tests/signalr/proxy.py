"""A load balancer without stickiness that can also cut, stall and refuse.

One request for each TCP connection: every request of a client, those on a kept-alive connection too, goes to any of the
servers, to each equally often. A WebSocket stays with the server that its upgrade came to.
"""

import asyncio
import contextlib
import random
import threading
from collections.abc import Coroutine, Iterable
from typing import Any

_HEAD_BYTES = 64 * 1024


class Proxy:
    """Listens on a loopback port in a thread of its own. Usable from any thread."""

    def __init__(self, ports: Iterable[int]) -> None:
        self._ports = list(ports)
        # Strict turns would send every WebSocket to the same server, since a negotiation goes before each.
        self._dice = random.Random(4)
        self._round: list[int] = []
        self._wires: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._to_client, self._to_server, self._taking = asyncio.Event(), asyncio.Event(), True
        for opened in (self._to_client, self._to_server):
            opened.set()
        self._relays: set[asyncio.Task[None] | None] = set()  # a loop holds its tasks weakly
        # "METHOD path port" of each request that was let through.
        self.requests: list[str] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._server: asyncio.Server = self._run(asyncio.start_server(self._meet, "127.0.0.1", 0, limit=_HEAD_BYTES))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def cut(self) -> int:
        """Break every wire that is open now; how many those were."""
        return self._run(self._cut())

    def refuse(self, refusing: bool = True) -> None:
        """Drop whoever comes, until told otherwise."""
        self._taking = not refusing

    def stall(self, *, to_client: bool = False, to_server: bool = False) -> None:
        """Stop moving bytes in that direction, with the wires open; `stall()` moves them again."""
        self._loop.call_soon_threadsafe(self._stall, to_client, to_server)

    def close(self) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(120)

    def _stall(self, to_client: bool, to_server: bool) -> None:
        for stalled, opened in ((to_client, self._to_client), (to_server, self._to_server)):
            if stalled:
                opened.clear()
            else:
                opened.set()

    async def _cut(self) -> int:
        open_now = list(self._wires)
        for wire in open_now:
            wire.transport.abort()
        return len(open_now)

    async def _close(self) -> None:
        # Nobody new. Who was accepted a moment ago is met first: asyncio leaks a socket whose server closes in between.
        for listening in self._server.sockets:
            self._loop.remove_reader(listening.fileno())
        self._taking = False
        self._stall(False, False)
        await self._cut()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others)
        self._server.close()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relay = asyncio.current_task()
        self._relays.add(relay)
        self._wires.add(writer)
        try:
            if self._taking:
                await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # either side is gone, which is how every relay ends
        finally:
            self._relays.discard(relay)
            self._wires.discard(writer)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        port, up_reader, up_writer = await self._next_server()
        method, path, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        self.requests.append(f"{method} {path.partition('?')[0]} {port}")
        try:
            up_writer.write(_alone(head))
            upward = asyncio.create_task(self._relay(reader, up_writer, self._to_server))
            try:
                await self._relay(up_reader, writer, self._to_client)
            finally:
                upward.cancel()
                await asyncio.gather(upward, return_exceptions=True)
            writer.close()
            await writer.wait_closed()
        finally:
            up_writer.transport.abort()

    async def _next_server(self) -> tuple[int, asyncio.StreamReader, asyncio.StreamWriter]:
        if not self._round:
            self._round = self._ports * 2
            self._dice.shuffle(self._round)
        first = self._round.pop()
        for port in (first, *(other for other in self._ports if other != first)):
            with contextlib.suppress(ConnectionRefusedError):
                return port, *await asyncio.open_connection("127.0.0.1", port)
        raise ConnectionRefusedError

    async def _relay(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, opened: asyncio.Event) -> None:
        """Until the source ends. A target that goes away ends it too: its own reading side sees that."""
        while piece := await self._piece(source, opened):
            target.write(piece)
            await target.drain()
        if target.can_write_eof() and opened is self._to_server:
            # The client is gone; the server has to hear of it at once.
            target.transport.abort()

    async def _piece(self, source: asyncio.StreamReader, opened: asyncio.Event) -> bytes:
        await opened.wait()
        piece = await source.read(16 * 1024)
        await opened.wait()
        return piece


def _alone(head: bytes) -> bytes:
    """The request as one that has its connection for itself, unless it wants to become a WebSocket."""
    lines = head.split(b"\r\n")
    names = [line.partition(b":")[0].strip().lower() for line in lines]
    if b"upgrade" in names:
        return head
    kept = [line for line, name in zip(lines, names, strict=True) if name != b"connection"]
    return b"\r\n".join([kept[0], b"Connection: close", *kept[1:]])
