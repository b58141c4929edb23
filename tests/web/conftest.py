"""A web process that all tests here share, and requests as plain bytes to it."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import Consumer
from tests.support.raw_http import Raw, exchange
from tests.support.web import Web


@pytest.fixture(scope="session")
def web(django_db_setup: None, django_db_blocker: Any) -> Iterator[Web]:
    with django_db_blocker.unblock():
        process = Web()
    process.start()
    yield process
    process.stop()


@pytest.fixture
def raw(web: Web) -> Callable[..., Raw]:
    """`raw("GET /v1/models HTTP/1.1", "Host: …", body=b"")`: a request of these lines; `Host: localhost` unless one is given."""

    def send(first: str, *headers: str, body: bytes = b"") -> Raw:
        lines = [first, *headers]
        if not any(line.lower().startswith("host:") for line in headers):
            lines.append("Host: localhost")
        if not any(line.lower().startswith("connection:") for line in headers):
            lines.append("Connection: close")
        return exchange(web.port, "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    return send


@pytest.fixture
def line_of(web: Web) -> Callable[[str], dict[str, Any]]:
    """The one line of the access log with that request id."""

    def find(request_id: str) -> dict[str, Any]:
        end = time.monotonic() + 60  # a line may be written just after its answer
        while True:
            lines = [json.loads(text) for text in web.lines if f'"{request_id}"' in text and '"conduit.request"' in text]
            if lines or time.monotonic() > end:
                [found] = lines
                return found
            time.sleep(0.02)

    return find


@pytest.fixture
def consumer(transactional_db: None, make_consumer: Any) -> Consumer:
    return make_consumer("at the door")
