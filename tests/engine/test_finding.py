"""Workers find their work themselves: without hints, and without Redis."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery import Celery
from django.conf import LazySettings

from tasks.models import Task
from tests.support.procfile_processes import ProcfileProcess
from tests.support.valkey import ValkeyForTests
from videos.minimax.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

# A busy machine starts a worker in ten seconds.
PATIENCE_SECONDS = 60.0


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
    until(lambda: all("tasks.jobs.do_next" in worker.log for worker in workers), "no message is taken after Redis came back", 30)

    assert len([entry for entry in minimax.log() if entry["call"] == "create"]) == 5
    assert [worker.stop() for worker in workers] == [0, 0]
