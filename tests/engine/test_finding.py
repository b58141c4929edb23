"""Workers find their work themselves: without hints, and without Redis."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from celery import Celery
from django.conf import LazySettings
from kombu.exceptions import OperationalError

from tasks.models import Task
from tests.support.procfile_processes import ProcfileProcess
from tests.support.valkey import ValkeyForTests
from videos.minimax.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

# A busy machine starts a worker in twenty seconds.
PATIENCE_SECONDS = 180.0
SOAKED = 40


def until(true: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.05)


@pytest.fixture
def minimax(settings: LazySettings, tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path / "sandbox", time_scale=0.001, clip_scale=8) as server:
        settings.MINIMAX_BASE_URL, settings.MINIMAX_API_KEY = server.url, server.api_key
        yield server


@pytest.fixture
def valkey() -> Iterator[ValkeyForTests]:
    """The workers' own: what this process hints goes to another, and so to nobody."""
    server = ValkeyForTests()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def workers(minimax, valkey, tmp_path: Path) -> Iterator[list[ProcfileProcess]]:
    given = {
        "REDIS_URL": valkey.url,
        "MINIMAX_BASE_URL": minimax.url,
        "MINIMAX_API_KEY": minimax.api_key,
        "MINIMAX_POLL_SECONDS": "0.2",
        "WORKER_THREADS": "4",
    }
    running = [ProcfileProcess(name, home=tmp_path, **given) for name in ("worker", "media")]
    yield running
    for process in running:
        process.kill()


def completed() -> int:
    return Task.objects.filter(status="completed").count()


@pytest.mark.soak
def test_videos_are_made_without_any_hint_while_redis_is_away_and_messages_are_taken_when_it_is_back(consumer, minimax, valkey, workers):
    consumer.generate(duration=1, resolution="720x480")
    until(lambda: completed() == 1, "not made without hints")

    valkey.stop()
    time.sleep(0.1)
    for _ in range(4):
        consumer.generate(duration=1, resolution="720x480")
    until(lambda: completed() == 5, "not made without Redis")

    valkey.start()
    away = Celery("sender", broker=valkey.url, set_as_current=False)
    for lane in ("provider", "media"):
        away.send_task("tasks.jobs.do_next", args=[lane], queue=lane)
    until(lambda: all("tasks.jobs.do_next" in worker.log for worker in workers), "no message is taken after Redis came back")

    assert len([entry for entry in minimax.log() if entry["call"] == "create"]) == 5
    assert [worker.stop() for worker in workers] == [0, 0]


@pytest.mark.soak
def test_without_redis_work_goes_on_at_no_less_than_half_its_pace_and_nothing_is_doubled(make_consumer, minimax, valkey, workers):
    consumer = make_consumer()

    def seconds_for(count: int) -> float:
        began, before = time.monotonic(), completed()
        for _ in range(count):
            consumer.generate(duration=1, resolution="720x480")
            for lane in ("provider", "media"):  # as web and workers hint where they share a Redis
                with suppress(OperationalError):
                    hinting.send_task("tasks.jobs.do_next", args=[lane], queue=lane)
        until(lambda: completed() == before + count, "it does not go on", 600)
        return time.monotonic() - began

    hinting = Celery("sender", broker=valkey.url, set_as_current=False)
    hinting.conf.broker_transport_options = {"max_retries": 0, "socket_connect_timeout": 1}
    hinting.conf.task_publish_retry = False
    seconds_for(2)  # the processes have begun

    with_redis = seconds_for(SOAKED)
    valkey.stop()
    without = seconds_for(SOAKED)
    valkey.start()

    creates = [entry for entry in minimax.log() if entry["call"] == "create"]
    assert len(creates) == 2 + 2 * SOAKED
    print(f"{SOAKED} videos took {with_redis:.1f} s with Redis, {without:.1f} s without")
    assert without <= 2 * with_redis
