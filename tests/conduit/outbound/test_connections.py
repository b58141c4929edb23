"""The way out: what is checked is what is connected to, whatever a name answers the next time."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
import requests

from conduit.outbound import guard
from conduit.outbound.addresses import Allowed
from conduit.outbound.guard import AddressRefused
from conduit.outbound.transport import Exchange, Session
from tests.support.certificates import server_context

BOTH = frozenset({"http", "https"})
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n"


class Listener:
    """A server that keeps what it is sent, at an address of the loopback network."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None, says: bytes = b"here") -> None:
        self.received: list[bytes] = []
        self._says, self._tls = says, tls
        self._socket = socket.create_server((address, port))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection, suppress(OSError):
                if not (data := connection.recv(1, socket.MSG_PEEK)):
                    continue
                if data == b"\0":
                    return
                with self._tls.wrap_socket(connection, server_side=True) if self._tls else connection as plain:
                    self.received.append(plain.recv(65536))
                    plain.sendall(ANSWER + self._says)

    def __enter__(self) -> "Listener":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.create_connection(self._socket.getsockname()) as last:
            last.sendall(b"\0")
        self._thread.join()
        self._socket.close()


@pytest.fixture
def names(monkeypatch) -> Callable[..., list[str]]:
    """`names("10.0.0.1", …)`: what every name stands for, an answer for each look-up in turn; gives the names that were looked up."""
    asked: list[str] = []
    answers: list[tuple[str, ...]] = []

    def look_up(host: str, port: int) -> list[object]:
        asked.append(host)
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]

    def script(*given: str | tuple[str, ...]) -> list[str]:
        answers[:] = [(one,) if isinstance(one, str) else one for one in given]
        monkeypatch.setattr(guard, "getaddrinfo", look_up)
        return asked

    return script


def get(url: str, allowed: str = "", schemes: frozenset[str] = BOTH, seconds: float = 30) -> bytes:
    with Session(connections=1, allowed=Allowed.parse(allowed), schemes=schemes) as session:
        with session.exchange(Exchange(seconds, seconds), "GET", url, connect_seconds=seconds, headers={}) as answer:
            return answer.raw.read()


@contextmanager
def refused(match: str | None = None) -> Iterator[None]:
    with pytest.raises(AddressRefused, match=match):
        yield


def test_a_server_on_loopback_is_refused_unless_it_is_allowed():
    with Listener() as server:
        url = f"http://127.0.0.1:{server.port}/clip.mp4?Signature=secret"
        with refused(rf"^127.0.0.1 is no public address, and OUTBOUND_ALLOWED does not list it for port {server.port}$"):
            get(url)
        with refused("port"):
            get(url, "127.0.0.1")
        with refused():
            get(url, f"127.0.0.1:{server.port + 1 if server.port < 65535 else 1}")
        assert server.received == []
        assert get(url, f"10.0.0.0/8,127.0.0.1:{server.port}") == b"here"
        assert get(url, "127.0.0.0/8:*") == b"here"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "2130706433",
        "0177.0.0.1",
        "0x7f.1",
        "127.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "localhost",
        "LOCALHOST",
        "\N{CIRCLED DIGIT ONE}27.0.0.1",
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[fe80::1]",
        "10.0.0.1",
        "100.64.0.1",
        "224.0.0.1",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_spelling_of_an_address_inside_gets_through(scheme, host):
    """At the usual port, so that the address alone is the reason."""
    with pytest.raises(ValueError):
        get(f"{scheme}://{host}/")


def test_every_address_of_a_name_must_be_allowed(names):
    names(("1.1.1.1", "10.0.0.1"))
    with refused(r"^files.example \(10.0.0.1\) is no public address"):
        get("https://files.example/")


def test_a_name_that_changes_its_mind_is_looked_up_once_and_the_checked_address_is_called(names):
    with Listener() as checked, Listener("127.0.0.2", checked.port, says=b"mine") as other:
        asked = names("127.0.0.1", "127.0.0.2")
        assert get(f"http://files.example:{checked.port}/", f"127.0.0.1:{checked.port}") == b"here"
        assert (asked, other.received) == (["files.example"], [])
        assert b"\r\nHost: files.example:%d\r\n" % checked.port in checked.received[0]
        with refused("127.0.0.2"):  # the next connection asks anew, and is checked anew
            get(f"http://files.example:{checked.port}/", f"127.0.0.1:{checked.port}")


def test_a_name_may_be_allowed_wherever_it_leads(names):
    with Listener() as server:
        names("127.0.0.1")
        assert get(f"http://minio:{server.port}/", f"minio:{server.port}") == b"here"
        with refused():
            get(f"http://other:{server.port}/", f"minio:{server.port}")


def test_the_certificate_is_checked_by_the_name_and_the_name_is_sent(names, tmp_path, monkeypatch):
    context, bundle = server_context(tmp_path, "files.example")
    asked_for: list[str | None] = []
    context.sni_callback = lambda connection, name, _: asked_for.append(name)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    names("127.0.0.1")
    with Listener(tls=context) as server:
        allowed = f"127.0.0.1:{server.port}"
        assert get(f"https://files.example:{server.port}/", allowed) == b"here"
        with pytest.raises(requests.exceptions.SSLError):
            get(f"https://elsewhere.example:{server.port}/", allowed)
    assert asked_for == ["files.example", "elsewhere.example"]


def test_a_public_host_at_another_port_is_refused_unless_that_port_is_allowed(names):
    names("1.1.1.1")
    with refused(r"^port 6379 of files.example \(1.1.1.1\) is not 443: OUTBOUND_ALLOWED would have to list it with that port$"):
        get("https://files.example:6379/")
    with refused("is not 80"):
        get("http://files.example:443/")


@pytest.mark.parametrize(
    "url", ["https://user@1.1.1.1/", "https://user:password@1.1.1.1/", "https://@1.1.1.1/", "https://1.1.1.1\\@10.0.0.1/"]
)
def test_a_name_or_password_in_an_address_is_refused(url):
    with refused("user's name or password"):
        get(url)


@pytest.mark.parametrize("url", ["http://1.1.1.1/", "HTTP://1.1.1.1/", "ftp://1.1.1.1/", "file:///etc/passwd", "//1.1.1.1/"])
def test_only_https_is_spoken_where_only_https_is_wanted(url):
    with refused("is not https"):
        get(url, schemes=frozenset({"https"}))


def test_looking_a_name_up_has_its_time_too(monkeypatch):
    answered = threading.Event()
    monkeypatch.setattr(guard, "getaddrinfo", lambda host, port: answered.wait(60) and [])
    started = time.monotonic()
    with pytest.raises(requests.exceptions.ConnectTimeout):
        get("https://slow.example/", seconds=0.2)
    assert time.monotonic() - started < 30
    answered.set()


def test_an_address_that_does_not_answer_leaves_time_for_the_next(names):
    with Listener() as server, socket.create_server(("127.0.0.2", server.port), backlog=0) as full:
        with socket.create_connection(full.getsockname()):
            names(("127.0.0.2", "127.0.0.1"))
            assert get(f"http://files.example:{server.port}/", "127.0.0.0/8:*", seconds=3) == b"here"


def test_a_request_that_goes_past_the_guard_s_own_way_is_not_sent():
    with Listener() as server, Session(connections=1, allowed=Allowed.parse("127.0.0.1:*"), schemes=BOTH) as session:
        with pytest.raises(LookupError):
            session.get(f"http://127.0.0.1:{server.port}/")
        assert server.received == []


# ---- Proxies --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def proxy(monkeypatch) -> Iterator[Listener]:
    with Listener() as server:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.port}")
        yield server


def test_a_proxy_is_asked_for_the_address_that_was_checked(proxy, names):
    """It answers no tunnel, but what it was asked for is seen."""
    names("1.1.1.1", "127.0.0.1")  # the target's, as tests of the proxy itself need no name
    monkeyed = guard.getaddrinfo
    try:
        guard.getaddrinfo = lambda host, port: monkeyed(host, port) if host == "files.example" else socket.getaddrinfo(host, port, type=1)
        with pytest.raises((requests.RequestException, OSError)):
            get("https://files.example/clip.mp4", f"127.0.0.1:{proxy.port}")
    finally:
        guard.getaddrinfo = monkeyed
    assert proxy.received[0].startswith(b"CONNECT 1.1.1.1:443 HTTP/1.")


def test_a_proxy_opens_no_way_to_what_must_not_be_called(proxy):
    with refused("^10.0.0.1 is no public address"):
        get("https://10.0.0.1/", f"127.0.0.1:{proxy.port}")
    assert proxy.received == []


def test_a_proxy_is_an_address_to_be_allowed_itself(proxy):
    with refused("^127.0.0.1 is no public address"):
        get("https://1.1.1.1/")
    assert proxy.received == []


def test_a_proxy_is_not_asked_over_http_where_it_would_look_the_name_up(proxy, names):
    with Listener() as server:
        names("127.0.0.1")
        assert get(f"http://files.example:{server.port}/", "127.0.0.1:*") == b"here"
    assert proxy.received == []
