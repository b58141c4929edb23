"""Who has shown no key takes little of a web process: slow requests end, connections are bounded, long bodies are not kept."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.conftest import Consumer
from tests.support.raw_http import answer_of
from tests.support.web import Web

DESCRIPTORS = 200
# For a request to come to its end, and for what a test does before that on the busiest machine.
SECONDS = 6
READ = "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n"
POST = "POST /v1/video/generations HTTP/1.1\r\nHost: localhost\r\n"
PROXY = "127.0.0.9"
HUB = "/hubs/video-generation"


@pytest.fixture(scope="module")
def narrow(django_db_setup: None, django_db_blocker: Any) -> Iterator[Web]:
    with django_db_blocker.unblock():
        process = Web(descriptors=DESCRIPTORS, HEADERS_SECONDS=str(SECONDS), BODY_SECONDS=str(SECONDS), TRUSTED_PROXIES=PROXY)
    process.start()
    yield process
    process.stop()


def connected(web: Web, sent: str = "", *, source: str = "127.0.0.1") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", web.port), timeout=20, source_address=(source, 0))
    connection.sendall(sent.encode())
    return connection


BEGUN = (
    "GET /v1/mod",
    "GET /v1/models HTTP/1.1\r\nHost: local",
    "POST /v1/video/generations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n{",
)


def test_a_request_that_does_not_come_to_its_end_is_408_and_where_nothing_ever_comes_is_closed_without_a_word(narrow: Web) -> None:
    with ExitStack() as stack:
        silent = stack.enter_context(connected(narrow))
        answers = [answer_of(one) for one in [stack.enter_context(connected(narrow, begun)) for begun in BEGUN]]
        assert silent.recv(1) == b""
    told = (408, "invalid_request_error", "request_timeout")
    assert [(answer.status, answer.error["type"], answer.error["code"]) for answer in answers] == [told] * len(BEGUN)


def test_more_connections_than_there_are_descriptors_that_drip_keep_nobody_out(narrow: Web, consumer: Consumer) -> None:
    with ExitStack() as stack:
        dripping = [stack.enter_context(connected(narrow, "GET /v1/mod")) for _ in range(260)]
        for source in ("127.0.0.1", "127.0.0.2"):
            with connected(narrow, f"{READ}Authorization: Bearer {consumer.secret}\r\n\r\n", source=source) as connection:
                assert answer_of(connection).status == 200
        assert is_closed(dripping[0])
    assert len(os.listdir(f"/proc/{narrow.pid}/fd")) < DESCRIPTORS


def test_a_connection_that_has_shown_a_key_is_kept_whoever_else_comes(narrow: Web, consumer: Consumer) -> None:
    read = f"{READ}Authorization: Bearer {consumer.secret}\r\n\r\n"
    with connected(narrow, read) as known, ExitStack() as stack:
        assert answer_of(known).status == 200
        for _ in range(100):
            stack.enter_context(connected(narrow, "GET /v1/mod"))
        known.sendall(read.encode())
        assert answer_of(known).status == 200


def test_a_connection_without_a_key_gives_way_to_newer_ones_of_its_address_alone(narrow: Web) -> None:
    with connected(narrow, source="127.0.0.3") as elsewhere, connected(narrow) as older, ExitStack() as stack:
        for _ in range(DESCRIPTORS // 8 + 1):
            stack.enter_context(connected(narrow))
        assert is_closed(older)
        elsewhere.sendall(f"{READ}\r\n".encode())
        assert answer_of(elsewhere).status == 401


def test_clients_behind_a_proxy_of_ours_are_counted_one_by_one_as_soon_as_it_says_who_they_are(narrow: Web) -> None:
    def body_of(client: str) -> socket.socket:
        return connected(narrow, f"{POST}X-Forwarded-For: {client}\r\nContent-Length: 5\r\n\r\n{{", source=PROXY)

    with body_of("198.51.100.2") as other, body_of("198.51.100.1") as older, ExitStack() as stack:
        for _ in range(DESCRIPTORS // 8):
            stack.enter_context(body_of("198.51.100.1"))
        assert is_closed(older)
        assert answer_of(other).status == 408


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def spooled(web: Web) -> list[str]:
    """Files without a name that the process has open."""
    targets = [_target(f"/proc/{web.pid}/fd/{name}") for name in os.listdir(f"/proc/{web.pid}/fd")]
    return [target for target in targets if target.startswith("/") and "(deleted)" in target]


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except FileNotFoundError:  # it was closed meanwhile
        return ""


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_long_body_is_kept_of_a_client_whose_key_is_good_and_of_nobody_else(web: Web, consumer: Consumer) -> None:
    size = 1024 * 1024
    for secret, status in ((consumer.secret, 400), ("condt_invented", 401)):
        head = f"POST {HUB} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\nContent-Length: {size}\r\n\r\n"
        with connected(web, head) as connection:
            connection.sendall(b"x" * (size - 1))
            if status != 401:
                until(lambda: bool(spooled(web)))
            else:
                assert spooled(web) == []
            connection.sendall(b"x")
            assert answer_of(connection).status == status
    until(lambda: spooled(web) == [])
