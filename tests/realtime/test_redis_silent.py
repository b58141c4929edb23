"""A Redis that says nothing any more, without ending a connection: calls and streams go on."""

import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import requests
from django.conf import settings

from tests.support.databases import redis_url
from tests.support.ending import end
from tests.support.relay import Relay

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True)]

# What it may cost on the busiest machine: one second by itself, and without a bound as long as the kernel tries, which is minutes.
SILENT_SECONDS = 20


@pytest.fixture
def wire():
    """The web process's way to Redis."""
    with Relay(urlsplit(settings.REDIS_URL).port) as relay:
        yield relay


@pytest.fixture
def web_on_wire(start_web, wire):
    return start_web(REDIS_URL=redis_url(wire.port), STREAM_WATCH_SECONDS="0.5")


def seconds_of_a_read(web, secret):
    began = time.monotonic()
    assert requests.get(f"{web.url}/v1/tasks", headers={"Authorization": f"Bearer {secret}"}, timeout=60).status_code == 200
    return time.monotonic() - began


@pytest.mark.parametrize("for_good", [False, True], ids=["old connections", "all"])
def test_reads_and_events_go_on(web_on_wire, wire, listen, consumer, for_good):
    tasks = [consumer.generate()["task_id"] for _ in range(2)]
    streams = [listen.socket(web=web_on_wire), listen.events(web=web_on_wire), listen.hub(web=web_on_wire).joined()]
    for stream in streams[:2]:
        stream.until_type("task.snapshot")
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda _: seconds_of_a_read(web_on_wire, consumer.secret), range(12)))

    wire.silence(for_good=for_good)
    began = time.monotonic()
    end(tasks[0], "cancelled")
    for stream in streams:
        stream.until(lambda message: "ancelled" in message["type"], 60)
    told_after = time.monotonic() - began
    with ThreadPoolExecutor(6) as threads:
        read = max(threads.map(lambda _: seconds_of_a_read(web_on_wire, consumer.secret), range(12)))

    print(f"events {told_after:.2f} s, slowest read {read:.2f} s")
    assert told_after < SILENT_SECONDS
    assert read < SILENT_SECONDS
