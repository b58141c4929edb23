"""A load generator: keep-alive HTTP/1.1 on raw sockets, one request in the air per connection.

Written here because it must run wherever the project does, and take little of a two-core machine that also runs what is
measured: it parses a status and a length, and no more. `Load.processor_share` says what it took.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

WARM_UP_SECONDS = 0.5
# What is in the air when the time is over may take this long to be answered.
DRAIN_SECONDS = 15.0

# What was asked for by whoever named a version.
_NOT_MODIFIED = 304

_LENGTH = re.compile(rb"\r\ncontent-length:[ ]*(\d+)", re.IGNORECASE)


@dataclass
class Load:
    """What was measured, over all slices of one point. Seconds throughout."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)  # of requests that were answered within the time, with a 2xx or 304
    errors: Counter[str] = field(default_factory=Counter)  # by what went wrong, warm-up included
    processor_seconds: float = 0.0  # of the generator itself
    wall_seconds: float = 0.0  # warm-up included

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    @property
    def processor_share(self) -> float:
        """How much of one core the generator used."""
        return self.processor_seconds / self.wall_seconds

    def percentile(self, share: float) -> float:
        """The latency that this share of requests did not exceed; NaN when none was answered."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def drive(
    load: Load, *, port: int, request: Callable[[], bytes], connections: int, seconds: float, beside: Callable[[], bytes] | None = None
) -> None:
    """Warm up, then add `seconds` of requests over so many connections to 127.0.0.1 to `load`.

    `beside`: what as many other connections send meanwhile; of that only what goes wrong is counted.
    """
    processor, wall = time.process_time(), time.perf_counter()
    asyncio.run(_together(load, port, connections, seconds, [request, *([beside] if beside else [])]))
    load.processor_seconds += time.process_time() - processor
    load.wall_seconds += time.perf_counter() - wall


async def _together(load: Load, port: int, connections: int, seconds: float, requests: list[Callable[[], bytes]]) -> None:
    loads = [load, *(Load() for _ in requests[1:])]
    slices = [_Slice(of, request, seconds) for of, request in zip(loads, requests, strict=True)]
    await asyncio.gather(*[one.run(port, connections) for one in slices])
    for other in loads[1:]:
        load.errors += other.errors


async def paced(load: Load, *, port: int, request: Callable[[], bytes], pause: float, seconds: float) -> None:
    """One request after the other over one connection, with a pause after each answer, for so many seconds."""
    end = time.perf_counter() + seconds
    wire: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    while (sent := time.perf_counter()) < end:
        try:
            wire = wire or await asyncio.open_connection("127.0.0.1", port)
            wire[1].write(request())
            async with asyncio.timeout(DRAIN_SECONDS):
                head = await wire[0].readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                await wire[0].readexactly(int(length[1]) if length else 0)
        except (OSError, EOFError) as error:  # a time that is over is an OSError
            load.errors[type(error).__name__] += 1
            wire = None
            continue
        if head[9:10] == b"2":
            load.latencies.append(time.perf_counter() - sent)
        else:
            load.errors[f"status {head[9:12].decode()}"] += 1
        await asyncio.sleep(pause)
    if wire:
        wire[1].close()


class _Slice:
    def __init__(self, load: Load, request: Callable[[], bytes], seconds: float) -> None:
        self.request = request
        self._load = load
        self._seconds = seconds
        self._begin = time.perf_counter() + WARM_UP_SECONDS
        self._end = self._begin + seconds

    async def run(self, port: int, connections: int) -> None:
        loop = asyncio.get_running_loop()
        clients = [_Client(self) for _ in range(connections)]
        for client in clients:
            try:
                await loop.create_connection(lambda client=client: client, "127.0.0.1", port)
            except OSError:
                client.fail("no connection")
        remaining = self._end + DRAIN_SECONDS - time.perf_counter()
        _, waiting = await asyncio.wait([client.done for client in clients], timeout=remaining)
        if waiting:
            self.failed(f"no answer {DRAIN_SECONDS:g} s after the end", len(waiting))
        self._load.seconds += self._seconds

    def answered(self, status: int, sent: float) -> bool:
        """Count an answer; whether to send another request."""
        now = time.perf_counter()
        if not 200 <= status < 300 and status != _NOT_MODIFIED:
            self.failed(f"status {status}")
        elif self._begin <= now < self._end:
            self._load.latencies.append(now - sent)
        return now < self._end

    def failed(self, reason: str, times: int = 1) -> None:
        self._load.errors[reason] += times


class _Client(asyncio.Protocol):
    """One connection: sends, reads the whole answer, sends again."""

    def __init__(self, run: _Slice) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._run = run
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = _LENGTH.search(head)
        if length is None:
            self.fail("an answer without Content-Length")
        elif len(body) >= int(length[1]):
            if self._run.answered(int(head[9:12]), self._sent):
                self._send()
            else:
                self._finish()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.fail(f"connection lost ({error or 'closed by the server'})")

    def fail(self, reason: str) -> None:
        """Count an error that this connection does not survive."""
        self._run.failed(reason)
        self._finish()

    def _send(self) -> None:
        self._received.clear()
        request = self._run.request()
        self._sent = time.perf_counter()
        assert self._transport is not None
        self._transport.write(request)

    def _finish(self) -> None:
        self.done.set_result(None)
        if self._transport:
            self._transport.close()
