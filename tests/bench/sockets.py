"""Many hub connections in one light process: WebSocket and JSON, without negotiation.

Run as `python -m tests.bench.sockets PORT PER_SECOND` with one secret a line on standard input, each opening a connection.
Prints "ready" when all are connected. A line on standard input tells how many messages are to come: when they have, or
nothing more comes, it prints, as JSON, the latency of each in milliseconds by the round in its `model`: "ROUND:NANOSECONDS"
of the monotonic clock when it was sent.
"""

import asyncio
import base64
import collections
import json
import os
import sys
import time

# An invocation is answered when the connection has joined its key's feed.
HANDSHAKE = b'{"protocol":"json","version":1}\x1e{"type":1,"invocationId":"1","target":"Resume","arguments":[0]}\x1e'
# After so long without a message nothing more is expected.
SILENT_SECONDS = 3.0
MARK = b'"model":"'


class Client(asyncio.Protocol):
    """One connection. Frames of a server are not masked, and those here are whole."""

    def __init__(self, port: int, secret: str, latencies: dict[int, list[float]]) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = (
            f"GET /hubs/video-generation?access_token={secret} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n"
        )
        self._latencies = latencies
        self._received = bytearray()
        self._upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request.encode())

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        self._received += data
        if not self._upgraded and not self._upgrade():
            return
        while (payload := self._frame()) is not None:
            self._take(payload, now)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(f"refused: {bytes(self._received[:200])!r}"))

    def _upgrade(self) -> bool:
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return False
        if b" 101 " not in head[:20]:
            self._transport.close()
            return False
        self._upgraded = True
        self._received = bytearray(rest)
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(HANDSHAKE))
        self._transport.write(bytes([0x81, 0x80 | len(HANDSHAKE)]) + mask + masked)
        return True

    def _frame(self) -> bytes | None:
        received = self._received
        if len(received) < 2:
            return None
        length, begin = received[1], 2
        if length == 126:
            length, begin = int.from_bytes(received[2:4], "big"), 4
        elif length == 127:
            length, begin = int.from_bytes(received[2:10], "big"), 10
        if len(received) < begin + length:
            return None
        payload = bytes(received[begin : begin + length])
        del received[: begin + length]
        return payload

    def _take(self, payload: bytes, now: int) -> None:
        if not self.ready.done() and b'"type":3' in payload:
            self.ready.set_result(None)
        for record in payload.split(b"\x1e"):
            _, mark, rest = record.partition(MARK)
            if mark:
                number, _, sent = rest.partition(b'"')[0].partition(b":")
                self._latencies[int(number)].append((now - int(sent)) / 1e6)


async def main(port: int, per_second: float) -> None:
    secrets = sys.stdin.readline().split()
    loop = asyncio.get_running_loop()
    latencies: dict[int, list[float]] = collections.defaultdict(list)
    clients = []
    for secret in secrets:
        _, client = await loop.create_connection(lambda secret=secret: Client(port, secret, latencies), "127.0.0.1", port)
        clients.append(client)
        await asyncio.sleep(1 / per_second)
    await asyncio.gather(*(client.ready for client in clients))
    print("ready", flush=True)
    expected = int(await loop.run_in_executor(None, sys.stdin.readline))
    came = -1
    while came < (now := sum(map(len, latencies.values()))) < expected:
        came = now
        await asyncio.sleep(SILENT_SECONDS)
    json.dump(latencies, sys.stdout)
    print(flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
