"""The handshake: which encoding a client wants. JSON in both directions, whatever comes after it."""

import json
from dataclasses import dataclass

from conduit.signalr.protocols import PROTOCOLS, RECORD_SEPARATOR, HubProtocol

VERSIONS = (0, 1, 2)  # 2 goes with stateful reconnect; signalrcore says 0
BROKEN = "An unexpected error occurred during connection handshake."
CANCELLED = "Handshake was canceled."  # it came too late, or is too long


class HandshakeFailed(Exception):
    """The text is what the client is told."""


@dataclass(frozen=True, slots=True)
class Handshake:
    protocol: HubProtocol
    version: int


def read_handshake(buffer: bytearray, *, limit: int, binary: bool) -> Handshake | None:
    """Take the request from the front of the buffer; None when its end has not arrived. `binary`: the transport takes bytes."""
    end = buffer.find(RECORD_SEPARATOR)
    if end > limit or (end < 0 and len(buffer) > limit):
        raise HandshakeFailed(CANCELLED)
    if end < 0:
        return None
    frame = bytes(buffer[:end])
    del buffer[: end + 1]
    return _agreed(frame, binary)


def _agreed(frame: bytes, binary: bool) -> Handshake:
    try:
        request = json.loads(frame)
        name, version = request["protocol"], request["version"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise HandshakeFailed(BROKEN) from error
    if not isinstance(name, str) or isinstance(version, bool) or not isinstance(version, int):
        raise HandshakeFailed(BROKEN)
    protocol = PROTOCOLS.get(name.lower())
    if protocol is None:
        raise HandshakeFailed(f"The protocol '{name}' is not supported.")
    if version not in VERSIONS:
        raise HandshakeFailed(f"The server does not support version {version} of the '{protocol.name}' protocol.")
    if protocol.binary and not binary:
        raise HandshakeFailed(
            f"Cannot use the '{protocol.name}' protocol on the current transport. The transport does not support 'Binary' transfer format."
        )
    return Handshake(protocol, version)


def answer(error: str | None = None) -> bytes:
    return json.dumps({} if error is None else {"error": error}, separators=(",", ":")).encode() + RECORD_SEPARATOR
