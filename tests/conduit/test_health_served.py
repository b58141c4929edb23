"""The three paths as a web process serves them: to probes by address, and while its database is away."""

import socket

import pytest
import requests
from django.db import connection

from conduit.conditions.looking import look
from tests.signalr.wires import until
from tests.support.databases import database_url
from tests.support.web import Web

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite is a file: it cannot be away"),
]


@pytest.fixture
def web(wire):
    web = Web(DATABASE_URL=database_url(wire.port), REDIS_URL="redis://127.0.0.1:1/0")
    yield web.start()
    web.kill()


def answered(web, request):
    """The status line that a request of these bytes gets."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=30) as wire:
        wire.sendall(request)
        return wire.makefile("rb").readline().decode().split()[1]


def status(web, path):
    return requests.get(f"{web.url}{path}", timeout=30).status_code


def test_probes_need_no_host_of_ours_and_each_path_tells_its_own(web, wire):
    look()
    for path in ("/health/live", "/health/ready"):
        assert answered(web, f"GET {path} HTTP/1.0\r\n\r\n".encode()) == "200"
        assert answered(web, f"GET {path} HTTP/1.1\r\nHost: 10.1.2.3:8000\r\nConnection: close\r\n\r\n".encode()) == "200"
    assert answered(web, b"GET /health HTTP/1.1\r\nHost: 10.1.2.3\r\nConnection: close\r\n\r\n") == "503"  # of workers there are none
    assert answered(web, b"GET /v1/models HTTP/1.1\r\nHost: 10.1.2.3\r\nConnection: close\r\n\r\n") == "400"

    wire.cut()
    until(lambda: status(web, "/health/ready") == 503)
    assert status(web, "/health/live") == 200
    assert requests.get(f"{web.url}/health", timeout=30).json()["conditions"]["database"] == {"holds": True}
    wire.mend()
    until(lambda: status(web, "/health/ready") == 200)
