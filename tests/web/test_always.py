"""A header that every answer is to have is added in one place, and every answer has it."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from conduit.api import always
from tests.conftest import Consumer
from tests.support.ending import end
from tests.support.raw_http import UPGRADE, exchange
from tests.support.web import Web

HUB = "/hubs/video-generation"
A_CAT = {"model": "minimax-video", "prompt": "a cat"}


@pytest.fixture(scope="module")
def told(django_db_setup: None, django_db_blocker: Any) -> Iterator[Web]:
    """A process whose table of headers has one more, and nothing else."""
    with django_db_blocker.unblock():
        process = Web(application="tests.web.one_more_header:application")
    yield process.start()
    process.stop()


def is_told(headers: Any) -> bool:
    expected = always.HEADERS | {"X-One-More": "told"}
    return {name: headers.get(name) or headers.get(name.lower()) for name in expected} == expected


@pytest.mark.parametrize(
    "first",
    [
        "GET /v1/models HTTP/1.1",
        "GET /nowhere HTTP/1.1",
        "GET /health HTTP/1.1",
        "GET /health/ready HTTP/1.1",
        "GET /health/live HTTP/1.1",
        "POST /health/live HTTP/1.1",
        "GET /admin/ HTTP/1.1",
        "GET /admin/login/ HTTP/1.1",
        "POST /admin/login/ HTTP/1.1",
        "GET /static/console/console.css HTTP/1.1",
        "GET /static/nothing HTTP/1.1",
        "GET /media/nothing HTTP/1.1",
        "OPTIONS /v1/models HTTP/1.1",
        f"POST {HUB}/negotiate HTTP/1.1",
        f"PUT {HUB} HTTP/1.1",
        "GET /ws/tasks HTTP/1.1",
        "GET /v1/%2fmodels HTTP/1.1",
        "G@T / HTTP/1.1",
        "no HTTP at all",
    ],
)
def test_whatever_answers_and_whatever_refuses_says_it(told, first):
    lines = (first, "Host: localhost", "Origin: https://app.example", "Connection: close")

    assert is_told(exchange(told.port, "\r\n".join(lines).encode() + b"\r\n\r\n").headers)


@pytest.mark.parametrize("path", ["/nowhere", HUB, "/ws/tasks"])
def test_a_handshake_that_is_refused_is_told_too(told, path):
    lines = (f"GET {path} HTTP/1.1", "Host: elsewhere.example", *UPGRADE)
    answer = exchange(told.port, "\r\n".join(lines).encode() + b"\r\n\r\n")

    assert answer.status >= 400
    assert is_told(answer.headers)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_reads_streams_and_the_hub_say_it(told, consumer: Consumer):
    task = end(consumer.generate()["task_id"], "cancelled").pk  # one that waits tells a later end every second
    known = {"Authorization": f"Bearer {consumer.secret}"}
    read = requests.get(f"{told.url}/v1/tasks/{task}", headers=known, timeout=60)
    again = requests.get(f"{told.url}/v1/tasks/{task}", headers=known | {"If-None-Match": read.headers["ETag"]}, timeout=60)
    made = requests.post(f"{told.url}/v1/video/generations", headers=known, json=A_CAT, timeout=60)
    negotiated = requests.post(f"{told.url}{HUB}/negotiate?negotiateVersion=1", headers=known, timeout=60)
    token = negotiated.json()["connectionToken"]

    assert [answer.status_code for answer in (read, again, made, negotiated)] == [200, 304, 202, 200]
    assert all(is_told(answer.headers) for answer in (read, again, made, negotiated))
    for path in ("/v1/events", f"{HUB}?id={token}"):
        with requests.get(f"{told.url}{path}", headers=known | {"Accept": "text/event-stream"}, stream=True, timeout=60) as stream:
            assert stream.headers["Content-Type"].startswith("text/event-stream")
            assert is_told(stream.headers)
