"""Clients of streams as plain sockets, which read when they want to."""

import socket as sockets
import struct

from tests.support.web import Web


def stalled(web: Web, path: str, secret: str, *more: str) -> sockets.socket:
    """A reader that has sent its request and then takes nothing."""
    reader = sockets.socket()
    reader.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    reader.connect(("127.0.0.1", web.port))
    lines = [f"GET {path}?access_token={secret} HTTP/1.1", "Host: 127.0.0.1", *more]
    reader.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    assert reader.recv(12) in (b"HTTP/1.1 200", b"HTTP/1.1 101")
    return reader


def frame(opcode: int, payload: bytes) -> bytes:
    """A client's WebSocket frame, with a mask of zeros."""
    return struct.pack("!BB4x", 0x80 | opcode, 0x80 | len(payload)) + payload
