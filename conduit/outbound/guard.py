"""Connections to addresses from outside: looked up once, checked, and opened to nothing but what was checked."""

import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from conduit.outbound.addresses import Address, Allowed, unmapped

# A host with more addresses than this is no more reachable by trying them all.
ADDRESSES_TRIED_MAX = 4


class AddressRefused(ValueError):
    """That address must not be called. The message names hosts and addresses, never the path or query of a link."""


@dataclass(frozen=True)
class Place:
    """One address that a host stands for."""

    family: socket.AddressFamily
    sockaddr: tuple[Any, ...]

    @property
    def address(self) -> Address:
        return ip_address(self.sockaddr[0])


def open_checked(host: str, port: int, *, usual_port: int, allowed: Allowed, seconds: float, options: Sequence[Any] = ()) -> socket.socket:
    """A connection to `host`, opened within `seconds`, looking its name up included.

    Raises:
        AddressRefused: one of its addresses, or the port, must not be called.
        OSError: it has no address (socket.gaierror), or none answers (TimeoutError: in time).
    """
    until = time.monotonic() + seconds
    host = host.strip("[]")
    places = checked(host, port, usual_port=usual_port, allowed=allowed, seconds=seconds)[:ADDRESSES_TRIED_MAX]
    failure: OSError = TimeoutError("its name was not found in time")
    for tried, place in enumerate(places):
        left = until - time.monotonic()
        if left <= 0:
            break
        try:
            # One address that swallows everything leaves time for the others.
            return _opened(place, left / (len(places) - tried), options)
        except OSError as error:
            failure = error
    raise failure


def checked(host: str, port: int, *, usual_port: int, allowed: Allowed, seconds: float) -> list[Place]:
    """All addresses of `host`. AddressRefused unless every one of them may be called: a name that mixes them is no honest one."""
    places = _look_up(host, port, seconds)
    for place in places:
        if not allowed.permits(host, place.address, port, usual_port):
            raise AddressRefused(_why(host, place.address, port, usual_port, allowed))
    return places


def getaddrinfo(host: str, port: int) -> list[Any]:
    """The one place where a name is looked up."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _look_up(host: str, port: int, seconds: float) -> list[Place]:
    """In a thread of its own: the system's resolver takes no time limit, and may keep us for half a minute."""
    answer: Future[list[Any]] = Future()

    def ask() -> None:
        try:
            answer.set_result(getaddrinfo(host, port))
        except BaseException as error:  # noqa: BLE001 - it belongs to the thread that waits
            answer.set_exception(error)

    threading.Thread(target=ask, name="look-up", daemon=True).start()
    found = answer.result(timeout=seconds)
    places = dict.fromkeys(Place(family, sockaddr) for family, _, _, _, sockaddr in found if family in (socket.AF_INET, socket.AF_INET6))
    if not places:
        raise socket.gaierror(socket.EAI_NONAME, "the name has no address")
    return list(places)


def _opened(place: Place, seconds: float, options: Sequence[Any]) -> socket.socket:
    connection = socket.socket(place.family, socket.SOCK_STREAM)
    try:
        for option in options:
            connection.setsockopt(*option)
        connection.settimeout(seconds)
        connection.connect(place.sockaddr)
        if unmapped(ip_address(connection.getpeername()[0])) != unmapped(place.address):
            raise AddressRefused(f"{place.address} was called, and another address answered")
    except BaseException:
        connection.close()
        raise
    return connection


def _why(host: str, address: Address, port: int, usual_port: int, allowed: Allowed) -> str:
    there = host if host == str(address) else f"{host} ({address})"
    if allowed.permits(host, address, usual_port, usual_port):
        return f"port {port} of {there} is not {usual_port}: OUTBOUND_ALLOWED would have to list it with that port"
    return f"{there} is no public address, and OUTBOUND_ALLOWED does not list it for port {port}"
