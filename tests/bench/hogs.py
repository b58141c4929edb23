"""Clients that take whatever they get, in one process: `python -m tests.bench.hogs PORT`, with a JSON list on standard input, of each kind
of hog its name, how many, and what they need. They go on, and come again whenever they are closed, until standard input ends; then what
became of them is printed as JSON.
"""

import asyncio
import base64
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

# Between two tries of one that was closed, and between two bytes of one that drips, in seconds.
AGAIN_SECONDS = 0.1
DRIP_SECONDS = 0.5
_LENGTH = re.compile(rb"\r\ncontent-length:[ ]*(\d+)", re.IGNORECASE)
# What a socket is written at once: some thousands of pings.
PINGS = 16 * 1024

met: Counter[str] = Counter()


class Wire:
    """A connection for one hog."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, request: bytes) -> tuple[bytes, bytes]:
        """Head and body of the answer."""
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        return head, await self.reader.readexactly(int(length[1])) if length else b""


async def creates(wire: Wire, *, secret: str, body: str) -> None:
    request = _request("POST", "/v1/video/generations", body, "application/json", Authorization=f"Bearer {secret}")
    while True:
        head, _ = await wire.ask(request)
        met[f"create {head[9:12].decode()}"] += 1


async def refused(wire: Wire, *, secret: str) -> None:
    """Calls of a key that may make none."""
    request = _request("GET", "/v1/models", Authorization=f"Bearer {secret}")
    while True:
        head, _ = await wire.ask(request)
        met[f"refused call {head[9:12].decode()}"] += 1


async def logins(wire: Wire) -> None:
    head, page = await wire.ask(_request("GET", "/admin/login/"))
    cookie = re.search(rb"set-cookie: ([^;]*csrf[^;]*)", head, re.IGNORECASE)
    token = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert cookie
    assert token
    number = 0
    while True:
        number += 1
        form = f"csrfmiddlewaretoken={token[1].decode()}&username=nobody{os.getpid()}-{id(wire)}-{number}&password=wrong"
        head, _ = await wire.ask(
            _request(
                "POST", "/admin/login/", form, "application/x-www-form-urlencoded", Cookie=cookie[1].decode(), Origin="http://127.0.0.1"
            )
        )
        met[f"login {head[9:12].decode()}"] += 1


async def pings(wire: Wire, *, secret: str, frame: str) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    await wire.ask(
        f"GET /hubs/video-generation?access_token={secret} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    met["hub opened"] += 1
    wire.writer.write(_frame(0x81, b'{"protocol":"json","version":1}\x1e'))
    one = _frame(0x89, b"") if frame == "websocket" else _frame(0x81, b'{"type":6}\x1e')
    many = one * (PINGS // len(one))
    hearing = asyncio.create_task(_hear(wire.reader))
    try:
        while not hearing.done():
            wire.writer.write(many)
            await wire.writer.drain()  # OSError when the server has closed it
            met[f"{frame} pings"] += len(many) // len(one)
            await asyncio.sleep(0)
    finally:
        hearing.cancel()
        with suppress(asyncio.CancelledError, OSError):
            await hearing


async def _hear(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass


async def drips(wire: Wire, *, begun: str) -> None:
    """A request that never comes to its end."""
    hearing = asyncio.create_task(wire.reader.read(65536))
    try:
        wire.writer.write(begun.encode())
        while not hearing.done():
            wire.writer.write(b"x")
            await asyncio.wait({hearing}, timeout=DRIP_SECONDS)
        met[f"drip {hearing.result()[9:12].decode() or 'closed'}"] += 1
    finally:
        hearing.cancel()
        with suppress(asyncio.CancelledError, OSError):
            await hearing


def _request(method: str, path: str, body: str = "", kind: str = "", **headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    if kind:
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def _frame(head: int, payload: bytes) -> bytes:
    return bytes([head, 0x80 | len(payload), 0, 0, 0, 0]) + payload


async def _again(port: int, hog: Callable[..., Any], given: dict[str, Any]) -> None:
    while True:
        writer = None
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await hog(Wire(reader, writer), **given)
        except (OSError, EOFError, AssertionError) as error:
            met[f"{hog.__name__}: {type(error).__name__}"] += 1
        finally:
            if writer:
                writer.close()
        await asyncio.sleep(AGAIN_SECONDS)


async def main(port: int, hogs: list[tuple[str, int, dict[str, Any]]]) -> None:
    kinds = {hog.__name__: hog for hog in (creates, refused, logins, pings, drips)}
    tasks = [asyncio.create_task(_again(port, kinds[kind], given)) for kind, count, given in hogs for _ in range(count)]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    for task in tasks:
        task.cancel()
    with suppress(Exception):
        await asyncio.gather(*tasks, return_exceptions=True)
    print(json.dumps(met), flush=True)


if __name__ == "__main__":
    os.nice(10)  # on machines of their own they would take no processor from who is measured
    asyncio.run(main(int(sys.argv[1]), json.loads(sys.stdin.readline())))
