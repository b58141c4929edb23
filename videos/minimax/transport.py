"""HTTP with two promises that requests alone does not make.

An exchange ends in time even when its bytes drip, headers included: requests' read timeout starts anew with every byte.
And afterwards it is known whether anything was sent: only then can a create have been accepted.
"""

import io
import socket
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

# Whatever an exchange can end with. ValueError: an address or a header that cannot be sent.
FAULTS = (requests.RequestException, HTTPError, OSError, ValueError)


@dataclass
class Exchange:
    """One request and its answer: how long it may take, in seconds, and how far it came."""

    idle_seconds: float  # the longest silence
    total_seconds: float  # from the first byte sent to the last one read
    sent: bool = False
    deadline: float | None = None

    def begin(self) -> None:
        self.sent = True
        if self.deadline is None:
            self.deadline = time.monotonic() + self.total_seconds

    def patience(self) -> float:
        """How long the next socket operation may take; TimeoutError when the time is up."""
        if self.deadline is None:
            return self.idle_seconds
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the exchange took too long as a whole")
        return min(left, self.idle_seconds)


# urllib3 makes connections and answers deep below requests: this hands them the exchange they work for.
_current: ContextVar[Exchange] = ContextVar("exchange")


class _PatientReader(io.RawIOBase):
    """Reads a socket's file, each time for as long as the exchange still may."""

    def __init__(self, file: io.BufferedReader, sock: socket.socket, exchange: Exchange) -> None:
        self._file = file
        self._sock = sock
        self._exchange = exchange

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._exchange.patience())
        return self._file.readinto1(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_PatientReader(self.fp, sock, _current.get()))


class _Connection(HTTPConnection):
    response_class = _Response
    _opening = False

    def connect(self) -> None:
        self._opening = True
        try:
            super().connect()
        finally:
            self._opening = False

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        # A proxy's CONNECT goes through here too while the connection opens: it carries nothing of the request.
        if not self._opening:
            exchange = _current.get()
            exchange.begin()
            # Else sending a large first frame would have to fit into the time for connecting.
            self.sock.settimeout(exchange.patience())
        super().send(data)


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stands in for authentication, or requests would look for a password in ~/.netrc and replace our header with it."""
    return request


class Session(requests.Session):
    """A session that threads may share: it keeps no cookies, knows no passwords and follows no redirect."""

    def __init__(self, *, connections: int) -> None:
        super().__init__()
        self.auth = _no_auth
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(pool_connections=connections, pool_maxsize=connections))

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None: preparing a redirect that nobody follows would read the whole body, whatever its size."""
        return None

    def exchange(
        self,
        exchange: Exchange,
        method: str,
        url: str,
        *,
        connect_seconds: float,
        headers: Mapping[str, str | bytes],
        params: Mapping[str, str] | None = None,
        json: Mapping[str, object] | None = None,
    ) -> requests.Response:
        """Send, and return the answer with its body still unread; any of FAULTS when there is none."""
        token = _current.set(exchange)
        try:
            return self.request(
                method,
                url,
                headers=headers,
                params=params,
                json=json,
                stream=True,
                allow_redirects=False,
                timeout=(connect_seconds, exchange.idle_seconds),
            )
        finally:
            _current.reset(token)
