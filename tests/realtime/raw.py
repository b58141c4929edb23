"""Clients of streams as plain sockets, which read when they want to."""

import socket as sockets
import struct
import time
from pathlib import Path

from tests.support.web import Web


def stalled(web: Web, path: str, secret: str, *more: str) -> sockets.socket:
    """A reader that has sent its request and then takes nothing."""
    reader = sockets.socket()
    reader.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    reader.connect(("127.0.0.1", web.port))
    lines = [f"GET {path}{'&' if '?' in path else '?'}access_token={secret} HTTP/1.1", "Host: 127.0.0.1", *more]
    reader.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    assert reader.recv(12) in (b"HTTP/1.1 200", b"HTTP/1.1 101")
    return reader


def frame(opcode: int, payload: bytes) -> bytes:
    """A client's WebSocket frame, with a mask of zeros."""
    return struct.pack("!BB4x", 0x80 | opcode, 0x80 | len(payload)) + payload


def until_read(web: Web, reader: sockets.socket, seconds: float = 60) -> None:
    """Wait until the process has taken all that was sent to it; AssertionError when it does not."""
    ends = f":{web.port:04X}", f":{reader.getsockname()[1]:04X}"
    until = time.monotonic() + seconds
    while _waiting(*ends):
        assert time.monotonic() < until, f"not read within {seconds:g} s"
        time.sleep(0.05)


def _waiting(here: str, there: str) -> bool:
    """Whether anything is on its way from one end of a connection, or waits at the other (columns tx_queue and rx_queue)."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        sent, unread = queues.split(":")
        if (local.endswith(here) and remote.endswith(there) and int(unread, 16)) or (
            local.endswith(there) and remote.endswith(here) and int(sent, 16)
        ):
            return True
    return False
