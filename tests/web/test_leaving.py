"""Answers leave in the turn of the loop that gives them, whole, in order, and however little their client takes at once."""

import socket
from typing import Any

from twisted.internet import main
from twisted.internet.abstract import FileDescriptor

from conduit.web.leaving import _Writing


class Wire(FileDescriptor):
    """A socket that takes so many bytes at a time."""

    def __init__(self, *takes: int) -> None:
        super().__init__(reactor=Selector())  # type: ignore[arg-type]
        self.connected = 1
        self.took: list[bytes] = []
        self._takes = list(takes)

    def writeSomeData(self, data: bytes) -> int | Exception:
        size = self._takes.pop(0)
        if size < 0:
            return main.CONNECTION_LOST
        self.took.append(data[:size])
        return len(self.took[-1])

    @property
    def is_watched(self) -> bool:
        return self in self.reactor.writers


class Selector:
    def __init__(self) -> None:
        self.writers: set[Any] = set()
        self.addWriter, self.removeWriter = self.writers.add, self.writers.discard

    def removeReader(self, reader: Any) -> None:
        pass


def write(wire: Wire, *pieces: bytes) -> None:
    with _Writing(wire):
        for piece in pieces:
            wire.write(piece)


def test_what_the_socket_takes_is_one_call_and_no_selector():
    wire = Wire(1000)

    write(wire, b"head ", b"body")

    assert (wire.took, wire.is_watched) == ([b"head body"], False)


def test_what_it_does_not_take_waits_for_the_selector_and_comes_in_order():
    wire = Wire(3, 1000, 1000)

    write(wire, b"head ", b"body")
    assert (wire.took, wire.is_watched) == ([b"hea"], True)
    write(wire, b" more")
    wire.doWrite()

    assert (b"".join(wire.took), wire.is_watched) == (b"head body more", False)


def test_a_socket_that_is_gone_is_the_reactors_to_find():
    wire = Wire(-1)

    write(wire, b"head")

    assert wire.is_watched


def test_an_end_that_was_waited_for_is_the_reactors_to_make():
    wire = Wire(1000)

    with _Writing(wire):
        wire.write(b"head")
        wire.loseConnection()

    assert (wire.took, wire.is_watched) == ([b"head"], True)


def test_nothing_written_asks_nobody():
    wire = Wire()

    write(wire)

    assert (wire.took, wire.is_watched) == ([], False)


def test_an_answer_that_is_longer_than_a_socket_takes_arrives_whole(web):
    """The API's document, to a client that reads piece by piece; with a window of a few KB each would wait for the kernel's next probe."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=30) as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        wire.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        received = bytearray()
        while piece := wire.recv(16384):
            received += piece
    head, _, body = bytes(received).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 200")
    assert f"content-length: {len(body)}".encode() in head.lower()
