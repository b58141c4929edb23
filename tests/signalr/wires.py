"""Ways to talk to a hub, and what goes over them."""

import time
from collections.abc import Callable
from typing import NamedTuple

# What the echo hub's failures say, and no client may ever read.
DETAIL = "the database password is hunter2"


class Wire(NamedTuple):
    """How a client talks: a transport and a protocol that fit together."""

    transport: str
    protocol: str

    @property
    def short(self) -> str:
        return f"{self.transport}-{self.protocol}"

    @property
    def is_binary(self) -> bool:
        return self.protocol == "messagepack"


# Server-sent events are text: MessagePack does not go over them.
WIRES = [
    Wire("WebSockets", "json"),
    Wire("WebSockets", "messagepack"),
    Wire("ServerSentEvents", "json"),
    Wire("LongPolling", "json"),
    Wire("LongPolling", "messagepack"),
]


def framed(message: bytes) -> bytes:
    """The message with its length before it, as MessagePack messages travel."""
    length, size = bytearray(), len(message)
    while True:
        size, low = size >> 7, size & 0x7F
        length.append(low | (0x80 if size else 0))
        if not size:
            return bytes(length) + message


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for what nothing announces; AssertionError when it does not come true in time."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds:g} s"
        time.sleep(0.02)
