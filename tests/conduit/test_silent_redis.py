"""Connections to Redis that went silent hold up nobody for more than a few seconds."""

import asyncio
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from channels_redis.utils import create_pool
from django.conf import settings
from kombu import Connection
from redis.asyncio import Redis as AsyncRedis

from conduit import celery_app
from conduit.redis_client import KEEPALIVE, brief_client
from tests.conduit.test_checks import started
from tests.support.certificates import server_context
from tests.support.databases import redis_url
from tests.support.procfile_processes import ProcfileProcess
from tests.support.relay import Relay
from tests.support.tls import TlsFront

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

# What it takes a worker at most to ask over another connection, on the busiest machine. By itself that is eight: a second for the
# question, two more without its answer, two until that is looked at, and what else is asked in vain meanwhile. Without, it is a minute.
WORKER_SECONDS = 30.0


@pytest.fixture
def relay() -> Iterator[Relay]:
    with Relay(urlsplit(settings.REDIS_URL).port or 0) as relay:
        yield relay


@pytest.fixture
def address(relay) -> str:
    """Of the tests' Redis, by way of the relay."""
    return redis_url(relay.port)


@pytest.fixture
def broker() -> Iterator[Any]:
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.flushall()
    yield client
    client.flushall()
    client.close()


@pytest.fixture
def start(address) -> Iterator[Any]:
    """Starts a line of the Procfile whose Redis is behind the relay."""
    running: list[ProcfileProcess] = []
    yield lambda name: running.append(ProcfileProcess(name, REDIS_URL=address, WORKER_THREADS="2"))
    for process in running:
        process.kill()


def taken_after(broker: Any, queue: str, job: str, *, within: float) -> float:
    """How long a job waits for a worker, in seconds."""
    celery_app.send_task(job, queue=queue)
    began = time.monotonic()
    while broker.llen(queue):
        assert time.monotonic() - began < within, f"nobody took a job from {queue}"
        time.sleep(0.02)
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("name", "queue"),
    [
        ("worker", "provider"),
        pytest.param("control", "control", marks=pytest.mark.soak),
        pytest.param("media", "media", marks=pytest.mark.soak),
    ],
)
def test_a_worker_whose_wire_went_silent_takes_the_next_job_within_seconds(start, relay, broker, name, queue):
    start(name)
    taken_after(broker, queue, "keys.jobs.note_last_uses", within=120)

    relay.silence()
    time.sleep(1.5)  # a job that is sent in the second of a question goes to whoever asked
    waited = taken_after(broker, queue, "keys.jobs.note_last_uses", within=WORKER_SECONDS)

    print(f"{name}: {waited + 1.5:.1f} s after the wire went silent")


@pytest.mark.soak
def test_beat_goes_on_when_its_wire_went_silent(start, relay, broker):
    start("beat")
    _until(lambda: broker.llen("control"), 60)

    relay.silence()
    time.sleep(0.1)
    broker.delete("control")

    _until(lambda: broker.llen("control"), 5)


def _until(true: Any, seconds: float) -> None:
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds
        time.sleep(0.02)


def test_many_connections_that_went_silent_cost_one_question(relay, address):
    client = brief_client(address, seconds=1.5)
    together = threading.Barrier(6)
    pipelines = [client.pipeline(transaction=False) for _ in range(6)]

    def ask(pipeline: Any) -> None:
        together.wait(60)
        pipeline.get("nothing").execute()

    threads = [threading.Thread(target=ask, args=(pipeline,)) for pipeline in pipelines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    relay.silence()
    with pytest.raises(redis.TimeoutError):
        client.get("nothing")

    began = time.monotonic()
    assert [client.get("nothing") for _ in range(6)] == [None] * 6
    assert time.monotonic() - began < 1.5


def test_a_restart_of_redis_is_nothing_to_the_next_question(relay, address):
    client = brief_client(address, seconds=60)
    assert client.get("nothing") is None

    relay.cut()
    relay.mend()

    assert client.get("nothing") is None


# ---- TLS ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def everybodys_clients():
    """How web process, streams and workers reach a Redis at an address; each raises what keeps it from it."""

    def reach(address: str, *, celery_tls: Any) -> list[Exception | None]:
        def by_the_broker() -> None:
            with Connection(address, ssl=celery_tls, transport_options={"max_retries": 0}) as broker:
                broker.ensure_connection(max_retries=0, timeout=30)
                broker.default_channel.client.ping()

        def by_the_layer() -> None:
            async def ping() -> None:
                pool = create_pool({"address": address, "socket_connect_timeout": 30, **KEEPALIVE})
                async with AsyncRedis(connection_pool=pool) as client:
                    await client.ping()
                await pool.disconnect()

            asyncio.run(ping())

        return [_error(lambda: brief_client(address, seconds=30).ping()), _error(by_the_layer), _error(by_the_broker)]

    return reach


def _error(act: Any) -> Exception | None:
    try:
        act()
    except Exception as error:  # noqa: BLE001 - each client has its own
        return error
    return None


def test_every_client_looks_at_the_certificate_of_a_redis_with_tls(everybodys_clients, tmp_path):
    tls, trusted = server_context(tmp_path, "127.0.0.1")
    told = started(
        sys.executable,
        "-c",
        "from conduit.settings import CELERY_BROKER_USE_SSL as said; print(*said.items())",
        REDIS_URL="rediss://127.0.0.1/0",
    )
    assert told.stdout == "('ssl_cert_reqs', <VerifyMode.CERT_REQUIRED: 2>)\n", told.stderr
    with TlsFront(urlsplit(settings.REDIS_URL).port or 0, tls) as front:
        address = f"rediss://:{urlsplit(settings.REDIS_URL).password}@127.0.0.1:{front.port}/0"

        unknown = everybodys_clients(address, celery_tls={"ssl_cert_reqs": ssl.CERT_REQUIRED})
        known = everybodys_clients(f"{address}?ssl_ca_certs={trusted}", celery_tls={"ssl_cert_reqs": ssl.CERT_REQUIRED})

    assert ["certificate" in str(error).lower() for error in unknown] == [True] * 3, unknown
    assert known == [None] * 3
