"""Requests as plain bytes, and what came back."""

import json
import re
import socket as sockets
from dataclasses import dataclass
from typing import Any

UPGRADE = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")


@dataclass(frozen=True)
class Raw:
    """An answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """What a refusal says; AssertionError when it is not in its envelope, or has no request id."""
        assert self.headers["content-type"] == "application/json", self
        assert int(self.headers.get("content-length", len(self.body))) == len(self.body)
        assert self.headers["x-request-id"], self
        error: dict[str, Any] = json.loads(self.body)["error"]
        assert set(error) == {"message", "type", "code", "param"}
        return error


def exchange(port: int, sent: bytes) -> Raw:
    """Send these bytes, and read the answer, or what there is of it when the server closes."""
    with sockets.create_connection(("127.0.0.1", port), timeout=20) as socket:
        socket.sendall(sent)
        return answer_of(socket)


def answer_of(socket: sockets.socket) -> Raw:
    """The next answer on a connection, or what there is of it when the server closes."""
    received = b""
    while not _is_whole(received) and (piece := socket.recv(65536)):
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Raw(int(first.split(" ")[1]), headers, _whole(body) if headers.get("transfer-encoding") == "chunked" else body)


def _is_whole(received: bytes) -> bool:
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    return head.startswith(b"HTTP/1.1 101") or (length is not None and len(body) >= int(length[1]))


def _whole(chunks: bytes) -> bytes:
    body = b""
    while (size := int(chunks.partition(b"\r\n")[0], 16)) > 0:
        chunks = chunks.partition(b"\r\n")[2]
        body, chunks = body + chunks[:size], chunks[size + 2 :]
    return body
