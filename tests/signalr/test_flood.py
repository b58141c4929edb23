"""A client that sends as fast as it can harms nobody but itself."""

import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
import requests

from tests.settings import VALKEY
from tests.signalr.raw import HANDSHAKE, SECONDS
from tests.signalr.servers import EchoServer, Service

# Of two processes on one machine, the one that floods takes its share of the processors too. Before what is tested here, half of
# the answers took longer than 1.2 s on an idle machine.
MEDIAN_SECONDS = 1.0
TOO_FAST = b"More pings came than may: the limit is 10 a second."


def _frame(opcode: int, payload: bytes) -> bytes:
    """As a client sends it, masked with nothing."""
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload


PING_OF_THE_HUB, PING_OF_THE_SOCKET = _frame(1, b'{"type":6}\x1e'), _frame(9, b"")


@pytest.fixture(scope="module")
def usual() -> Iterator[Service]:
    """One process with the bounds that ship."""
    service = Service(VALKEY.url, processes=1)
    yield service
    service.close()


def _upgraded(server: EchoServer) -> socket.socket:
    """A WebSocket of which every byte is seen: Python's `websockets` forgets what comes in one piece with a close."""
    address = urlsplit(server.url)
    wire = socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS)
    wire.sendall(
        f"GET {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer secret-flooding\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += wire.recv(1)
    assert b" 101 " in answer, answer
    return wire


def _flood(wire: socket.socket, piece: bytes) -> None:
    """Until the connection ends."""
    with suppress(OSError):
        while True:
            wire.sendall(piece * 500)


def _hears(usual: Service, reason: bytes, *, while_sending: bytes) -> bool:
    """Whether a connection that floods hears the reason before it ends."""
    heard = b""
    with _upgraded(usual.servers[0]) as wire:
        wire.sendall(_frame(1, HANDSHAKE))
        flooding = threading.Thread(target=_flood, args=(wire, while_sending))
        flooding.start()
        with suppress(OSError):
            while reason not in heard and (piece := wire.recv(65536)):
                heard += piece
        with suppress(OSError):
            wire.shutdown(socket.SHUT_RDWR)
        flooding.join()
    return reason in heard


def _waits(usual: Service, http: requests.Session, floods: list[threading.Thread]) -> float:
    """How long an answer takes in the middle while the floods run, in seconds."""
    took: list[float] = []
    for flood in floods:
        flood.start()
    while any(flood.is_alive() for flood in floods):
        began = time.monotonic()
        assert http.get(usual.servers[0].url, timeout=SECONDS).status_code == 400
        took.append(time.monotonic() - began)
        time.sleep(0.01)
    return statistics.median(took)


@pytest.mark.races_the_clock  # what floods and who asks are one process
def test_ten_connections_that_flood_are_closed_and_keep_nobody_waiting(usual: Service, http: requests.Session) -> None:
    told: list[bool] = []
    floods = [threading.Thread(target=lambda: told.append(_hears(usual, TOO_FAST, while_sending=PING_OF_THE_HUB))) for _ in range(10)]
    assert _waits(usual, http, floods) < MEDIAN_SECONDS
    assert told == [True] * 10


@pytest.mark.races_the_clock  # what floods and who asks are one process
def test_floods_of_pings_that_no_hub_sees_are_closed_and_keep_nobody_waiting(usual: Service, http: requests.Session) -> None:
    told: list[bool] = []
    reason = b"More pings came than may: the rate limit is 10 a second."
    floods = [threading.Thread(target=lambda: told.append(_hears(usual, reason, while_sending=PING_OF_THE_SOCKET))) for _ in range(10)]
    assert _waits(usual, http, floods) < MEDIAN_SECONDS
    assert told == [True] * 10


@pytest.mark.races_the_clock  # what floods and who asks are one process
def test_pieces_of_a_message_are_read_slowly_and_lose_nothing(usual: Service, http: requests.Session) -> None:
    answered: list[bool] = []
    call = HANDSHAKE + b'{"type":1,"target":"Add","arguments":[1,2],"invocationId":"last"}' + b" " * 3000 + b"\x1e"

    def flood() -> None:
        with _upgraded(usual.servers[0]) as wire:
            first, *pieces = (call[place : place + 1] for place in range(len(call)))
            wire.sendall(bytes([0x01]) + _frame(0, first)[1:])
            wire.sendall(b"".join(bytes([0x00]) + _frame(0, piece)[1:] for piece in pieces))
            wire.sendall(_frame(0, b""))
            heard = b""
            while b'"invocationId":"last"' not in heard and (piece := wire.recv(65536)):
                heard = heard[-100:] + piece
            answered.append(b'"result":3' in heard)

    assert _waits(usual, http, [threading.Thread(target=flood) for _ in range(4)]) < MEDIAN_SECONDS
    assert answered == [True] * 4
