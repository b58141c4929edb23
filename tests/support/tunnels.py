"""A proxy for https: it opens a tunnel to whatever it is asked for, and keeps that."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Tunnel:
    port: int
    asked: list[str] = field(default_factory=list)


@contextmanager
def tunnel() -> Iterator[Tunnel]:
    """A proxy on loopback for as long as the context lasts."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        told = Tunnel(server.getsockname()[1])
        threads = [threading.Thread(target=_accept, args=(server, told))]
        threads[0].start()
        yield told
        server.shutdown(socket.SHUT_RDWR)
        threads[0].join()


def _accept(server: socket.socket, told: Tunnel) -> None:
    with suppress(OSError):  # it was shut down
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_carry, args=(connection, told), daemon=True).start()


def _carry(connection: socket.socket, told: Tunnel) -> None:
    with connection, suppress(OSError):
        asked = b""
        while b"\r\n\r\n" not in asked:
            asked += connection.recv(1024)
        place = asked.split()[1].decode()
        told.asked.append(place)
        host, _, port = place.rpartition(":")
        with socket.create_connection((host, int(port))) as target:
            connection.sendall(b"HTTP/1.1 200 Tunnel\r\n\r\n")
            back = threading.Thread(target=_pass_on, args=(target, connection), daemon=True)
            back.start()
            _pass_on(connection, target)
            back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
