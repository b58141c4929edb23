"""Loopback ports: is one free, and which one is."""

import errno
import secrets
import socket
import time

from conduit.stack.errors import CannotStart

# Below the ports that the kernel gives to outgoing connections (32768 and up on Linux): one of those cannot take it
# between the moment we look and the moment the server listens.
_RANGE = range(20_000, 32_000)


def _bind(host: str, port: int) -> None:
    """Raise OSError unless a server could listen there now."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        probe.listen(1)


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nothing listens on at this moment."""
    for _ in range(200):
        port = secrets.choice(_RANGE)  # two processes that seeded `random` alike would be led to the same ports
        try:
            _bind(host, port)
        except OSError:
            continue
        return port
    raise CannotStart(f"No free port was found on {host} between {_RANGE.start} and {_RANGE.stop - 1}.")


def require_free(host: str, port: int, *, patience: float = 2.0) -> None:
    """Raise CannotStart when the web port is taken. A server that was just killed is given `patience` seconds to let go."""
    until = time.monotonic() + patience
    while True:
        try:
            return _bind(host, port)
        except socket.gaierror:
            raise CannotStart(f"BIND is {host}, which is no address of this machine. Set BIND to one, such as 127.0.0.1.") from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < until:
                time.sleep(0.05)
                continue
            raise CannotStart(_why(error, host, port)) from None


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"PORT {port} on {host} is in use by another program. Set PORT to a free one, such as PORT={port + 1}."
    if error.errno == errno.EACCES:
        return f"PORT {port} may not be used by this user. Set PORT to one above 1023."
    return f"BIND is {host}, which cannot be used ({error.strerror}). Set BIND to an address of this machine, such as 127.0.0.1."
