"""A wire to a server that tests can cut or silence: TCP connections are relayed, broken and refused, or say nothing any more."""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Self


class Relay:
    """Listens on a loopback port of its own and relays to `port`. Usable from any thread, as a context manager."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._is_cut = False
        self._refused = threading.Event()
        self._wires: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        self._silent: set[asyncio.StreamWriter] = set()
        self._stays_silent = False
        self._let_in_ever, self._another = 0, threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._thread.start()
        self._server: asyncio.Server = self._run(asyncio.start_server(self._let_in, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Break every connection, and refuse others until `mend`."""
        self._is_cut = True
        self._refused.clear()
        self._run(self._break())

    def silence(self, *, for_good: bool = False) -> None:
        """From now on nothing passes on the connections that there are, not even their end; on new ones too when it is `for_good`."""
        self._stays_silent = for_good
        self._silent |= self._wires.keys()

    def mend(self) -> None:
        """Relay what is opened from now on; what was silenced stays so."""
        self._is_cut = self._stays_silent = False

    def wait_until_refused(self) -> None:
        """Until somebody tried to connect since it was cut."""
        assert self._refused.wait(120), "nobody tried to connect"

    def wait_until_let_in(self, count: int) -> None:
        """Until so many connections were opened in all, silent ones too."""
        with self._another:
            assert self._another.wait_for(lambda: self._let_in_ever >= count, 120), f"not {count} connections, but {self._let_in_ever}"

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(120)

    async def _break(self) -> None:
        self._silent.clear()
        for wire in list(self._wires):
            wire.transport.abort()

    async def _close(self) -> None:
        # asyncio drops a connection that it let in just before its server is closed, and never closes its socket.
        self._loop.remove_reader(self._server.sockets[0].fileno())
        await asyncio.sleep(0)
        self._server.close()
        while meeting := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in meeting:
                task.cancel()
            await asyncio.gather(*meeting, return_exceptions=True)
        while self._wires:
            await asyncio.sleep(0)
        await asyncio.sleep(0)  # what was aborted closes its socket

    def _let_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """No coroutine: one that is cancelled before it begins would never let go."""
        with self._another:
            self._let_in_ever += 1
            self._another.notify_all()
        if self._stays_silent:
            self._silent.add(writer)
        self._wires[writer] = self._loop.create_task(self._meet(reader, writer))
        self._wires[writer].add_done_callback(lambda _: self._let_go(writer))

    def _let_go(self, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()
        del self._wires[writer]
        self._silent.discard(writer)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            self._refused.set()
            return
        with suppress(OSError):  # either side is gone
            await self._relay(reader, writer)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._to)
        upward = asyncio.create_task(self._copy(reader, server_writer, writer))
        try:
            await self._copy(server_reader, writer, writer)
        finally:
            upward.cancel()
            server_writer.transport.abort()  # before the wait, which may itself be cancelled
            await asyncio.gather(upward, return_exceptions=True)

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, wire: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await source.read(65536):
                if wire not in self._silent:
                    target.write(piece)
                    await target.drain()
        while wire in self._silent:
            await asyncio.sleep(0.05)
        target.transport.abort()
