"""A DNS server of a test's own, and the system's resolver asking it: what `getaddrinfo` finds is what the test says.

glibc keeps for each thread whom it asks (`_res`, see resolver(3)), with the port, and takes what a program writes there.
"""

import ctypes
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any, Self

_A, _AAAA = 1, 28
_HEADER = struct.Struct(">6H")
# An answer without errors, by one that knows; and the question's name again, as a pointer to where it stands.
_ANSWERED, _SAME_NAME = 0x8580, b"\xc0\x0c"


class NameServer:
    """`answers[name]`: the addresses that each of its look-ups finds in turn, the last of them for good. A name that is not there has none.

    A look-up asks for both kinds of address at once.
    """

    def __init__(self) -> None:
        self.answers: dict[str, list[Sequence[str]]] = {}
        self.asked: list[str] = []
        self._of_look_up: dict[tuple[str, Any], Sequence[str]] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while query := (received := self._socket.recvfrom(4096))[0]:
            self._socket.sendto(self._answer(query, received[1]), received[1])

    def _answer(self, query: bytes, sender: Any) -> bytes:
        labels, end = [], _HEADER.size
        while length := query[end]:
            labels.append(query[end + 1 : end + 1 + length].decode().lower())
            end += 1 + length
        (kind,) = struct.unpack_from(">H", query, end + 1)
        found = [ip_address(address).packed for address in self._addresses(".".join(labels), sender)]
        records = [address for address in found if len(address) == {_A: 4, _AAAA: 16}.get(kind)]
        head = _HEADER.pack(int.from_bytes(query[:2]), _ANSWERED, 1, len(records), 0, 0) + query[_HEADER.size : end + 5]
        # Good for no time at all.
        return head + b"".join(_SAME_NAME + struct.pack(">HHIH", kind, 1, 0, len(address)) + address for address in records)

    def _addresses(self, name: str, sender: Any) -> Sequence[str]:
        """Both questions of one look-up come from one socket."""
        if (name, sender) not in self._of_look_up:
            self.asked.append(name)
            left = self.answers.get(name, [[]])
            self._of_look_up[name, sender] = left.pop(0) if len(left) > 1 else left[0]
        return self._of_look_up[name, sender]


class _State(ctypes.Structure):
    """How struct __res_state begins: <resolv.h>."""

    _fields_ = [
        ("retrans", ctypes.c_int),
        ("retry", ctypes.c_int),
        ("options", ctypes.c_ulong),
        ("nscount", ctypes.c_int),
        ("nsaddr_list", (ctypes.c_ubyte * 16) * 3),
    ]


def asking(server: NameServer, look_up: Callable[[str, int], list[Any]]) -> Callable[[str, int], list[Any]]:
    """`look_up`, done by a thread whose resolver asks that server alone."""
    libc = ctypes.CDLL(None)
    libc.__res_state.restype = ctypes.POINTER(_State)
    address = struct.pack("=H", socket.AF_INET) + struct.pack(">H4s8x", server.port, socket.inet_aton("127.0.0.1"))

    def ask(host: str, port: int) -> list[Any]:
        libc.__res_init()
        state = libc.__res_state().contents
        state.nscount, state.retrans, state.retry = 1, 2, 1
        state.nsaddr_list[0] = (ctypes.c_ubyte * 16)(*address)
        return look_up(host, port)

    return ask
