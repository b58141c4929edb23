"""HTTP with three promises that requests alone does not make.

No connection is opened to an address that was not checked (see `guard`); certificates and `Host` go by the name all the same.
An exchange ends in time even when its bytes drip, headers included: requests' read timeout starts anew with every byte.
And afterwards it is known whether anything was sent: only then can a create have been accepted.
"""

import io
import socket
import sys
import time
from collections.abc import Callable, Collection, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError, NewConnectionError, ProtocolError, ReadTimeoutError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Timeout

from conduit.outbound.addresses import Allowed
from conduit.outbound.guard import AddressRefused, checked, open_checked

Key = TypeVar("Key")
Value = TypeVar("Value")

# Whatever an exchange can end with. ValueError: an address that must not be called, or an address or header that cannot be sent.
FAULTS = (requests.RequestException, HTTPError, OSError, ValueError)


# Where a caller sets no time for connecting, in seconds.
_CONNECT_SECONDS = 10.0


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
# And what it may call. Without it nothing is: a request that goes past `Session.exchange` fails.
_allowed: ContextVar[Allowed] = ContextVar("allowed")


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

    def _new_conn(self) -> socket.socket:
        try:
            connection = open_checked(
                self._dns_host,
                self.port,
                usual_port=self.default_port,
                allowed=_allowed.get(),
                seconds=self._connect_seconds(),
                options=self.socket_options or (),
            )
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"Connection to {self.host} timed out.") from error
        except OSError as error:
            raise NewConnectionError(self, f"Failed to establish a new connection: {error}") from error
        connection.settimeout(self._connect_seconds())  # for the handshake that may follow
        sys.audit("http.client.connect", self, self.host, self.port)
        return connection

    def _connect_seconds(self) -> float:
        return self.timeout if isinstance(self.timeout, int | float) else _CONNECT_SECONDS

    def _tunnel(self) -> None:
        """Through a proxy: it is asked for the address that was checked, and looks no name up."""
        name, port = str(self._tunnel_host), self._tunnel_port or HTTPSConnection.default_port
        places = checked(
            name.strip("[]"), port, usual_port=HTTPSConnection.default_port, allowed=_allowed.get(), seconds=self._connect_seconds()
        )
        self._tunnel_host = str(places[0].address)
        try:
            super()._tunnel()
        finally:
            self._tunnel_host = name

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


# Headers, and hosts, for which a session remembers what requests made of them.
REMEMBERED = 64


def _remembered(kept: dict[Key, Value], key: Key, make: Callable[[], Value]) -> Value:
    """What was made for the key before, or else is made now. Threads may make it at the same time."""
    found = kept.get(key)
    if found is None:
        if len(kept) >= REMEMBERED:
            kept.clear()
        found = kept[key] = make()
    return found


class Session(requests.Session):
    """A session that threads may share: it keeps no cookies, knows no passwords and follows no redirect.

    It calls public addresses at the usual port of `schemes` (http, https), and what `allowed` adds. A proxy that the environment
    names carries https, and is an address to be allowed like any other.
    """

    def __init__(self, *, connections: int, allowed: Allowed, schemes: Collection[str]) -> None:
        super().__init__()
        self._allowed = allowed
        self._schemes = frozenset(schemes)
        self.auth = _no_auth
        self._headers: dict[tuple[tuple[str, str | bytes], ...], dict[str, str]] = {}
        self._routes: dict[str, HTTPConnectionPool] = {}
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(pool_connections=connections, pool_maxsize=connections))

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None: preparing a redirect that nobody follows would read the whole body, whatever its size."""
        return None

    def merge_environment_settings(self, url: Any, *args: Any) -> Any:
        """Over http a proxy is sent the name to look up, so it is not asked."""
        merged = super().merge_environment_settings(url, *args)
        if urlsplit(url).scheme != "https":
            merged["proxies"] = {}
        return merged

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
        body: bytes | None = None,
    ) -> requests.Response:
        """Send, and return the answer with its body still unread; any of FAULTS when there is none. `body`: instead of `json`."""
        self._check(url)
        token, allowed = _current.set(exchange), _allowed.set(self._allowed)
        try:
            return self.request(
                method,
                url,
                headers=headers,
                params=params,
                json=json,
                data=body,
                stream=True,
                allow_redirects=False,
                timeout=(connect_seconds, exchange.idle_seconds),
            )
        finally:
            _allowed.reset(allowed)
            _current.reset(token)

    def ask(self, exchange: Exchange, url: str, *, connect_seconds: float, headers: Mapping[str, str | bytes]) -> BaseHTTPResponse:
        """The same for a GET that is asked again and again: what requests makes of its headers and finds for its host is remembered.

        That takes two thirds of its time. The answer is urllib3's own, and has to be closed.
        """
        self._check(url)
        place = url[:slash] if (slash := url.find("/", len("https://"))) >= 0 else url
        token, allowed = _current.set(exchange), _allowed.set(self._allowed)
        try:
            route = _remembered(self._routes, place, lambda: self._route(place))
            return route.urlopen(
                "GET",
                url[len(place) :] or "/",
                headers=_remembered(self._headers, tuple(headers.items()), lambda: self._headers_for(url, headers)),
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                retries=False,
                timeout=Timeout(connect=connect_seconds, read=exchange.idle_seconds),
            )
        except ReadTimeoutError as error:
            raise requests.ReadTimeout from error
        except ProtocolError as error:
            raise requests.ConnectionError from error
        finally:
            _allowed.reset(allowed)
            _current.reset(token)

    def _headers_for(self, url: str, headers: Mapping[str, str | bytes]) -> dict[str, str]:
        return dict(self.prepare_request(requests.Request("GET", url, headers=headers)).headers)

    def _route(self, place: str) -> HTTPConnectionPool:
        """The connections to a host, by the proxy and with the certificates that the environment names."""
        request = self.prepare_request(requests.Request("GET", place))
        environment = self.merge_environment_settings(place, {}, True, None, None)
        adapter = self.get_adapter(place)
        assert isinstance(adapter, HTTPAdapter)  # noqa: S101 - there is no other
        proxies, verify, cert = environment["proxies"], environment["verify"], environment["cert"]
        route: Any = adapter.get_connection_with_tls_context(request, verify, proxies=proxies, cert=cert)
        adapter.cert_verify(route, place, verify, cert)
        return cast(HTTPConnectionPool, route)

    def _check(self, url: str) -> None:
        """What can be seen of an address before it is looked up."""
        parts = urlsplit(url)
        if parts.scheme not in self._schemes:
            raise AddressRefused(f"{parts.scheme or 'no scheme'} is not {' or '.join(sorted(self._schemes))}")
        if "@" in parts.netloc:
            raise AddressRefused("it holds a user's name or password")
