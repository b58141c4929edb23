import pytest
import redis
from django.conf import settings as django_settings
from django.db import InterfaceError, connection

from conduit import liveness
from conduit.stack.ports import free_port
from tasks.models import Task

pytestmark = pytest.mark.django_db

ALL_OK = {"database": "ok", "redis": "ok", "worker": "ok", "media_worker": "ok", "ticks": "ok"}
NAMES = ("provider", "media", "ticks")


@pytest.fixture
def workers():
    """All of them were heard a moment ago."""
    for name in NAMES:
        liveness.heard(name)
    yield
    forget()


@pytest.fixture
def nobody_heard():
    forget()


def forget(*names):
    client = redis.Redis.from_url(django_settings.REDIS_URL)
    client.delete(*[f"conduit:alive:{name}" for name in names or NAMES])
    client.close()


def ready(client):
    answer = client.get("/health/ready")
    return answer.status_code, answer.json()


@pytest.mark.parametrize("path", ["/health", "/health/ready"])
def test_it_is_ready_when_everything_answers(client, workers, path):
    answer = client.get(path)

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "checks": ALL_OK, "provider": {"status": "ok", "tasks": {}}}
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("name", "check"), [("provider", "worker"), ("media", "media_worker"), ("ticks", "ticks")])
def test_a_worker_that_was_not_heard_lately_is_named(client, workers, name, check):
    forget(name)

    status, body = ready(client)

    assert (status, body["status"]) == (503, "unavailable")
    assert body["checks"] == ALL_OK | {check: "not heard lately"}


def test_a_sign_of_life_ends_after_its_time(nobody_heard):
    assert not liveness.heard_lately("media")
    liveness.heard("media")
    assert liveness.heard_lately("media")
    client = redis.Redis.from_url(django_settings.REDIS_URL)
    assert 0 < client.ttl("conduit:alive:media") <= liveness.LATELY_SECONDS
    client.close()


def test_redis_that_is_away_is_named_with_what_cannot_be_known_without_it(client, settings):
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"

    status, body = ready(client)

    assert (status, body["status"]) == (503, "unavailable")
    assert body["checks"] == {"database": "ok"} | dict.fromkeys(("redis", "worker", "media_worker", "ticks"), "does not answer")


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_database_that_is_away_is_named(client, workers, monkeypatch):
    if connection.vendor != "postgresql":
        pytest.skip("a file is never away")
    connection.close()
    with monkeypatch.context() as patch:
        patch.setitem(connection.settings_dict, "PORT", free_port())
        status, body = ready(client)

    assert (status, body["status"]) == (503, "unavailable")
    assert body["checks"] == ALL_OK | {"database": "does not answer"}


def test_a_database_connection_that_broke_is_named(client, workers, monkeypatch):
    def broken():
        raise InterfaceError("connection already closed")

    monkeypatch.setitem(__import__("conduit.health").health.CHECKS, "database", broken)

    assert ready(client)[1]["checks"]["database"] == "does not answer"


@pytest.mark.parametrize("stage", ["waiting_for_provider_key", "waiting_for_provider_balance"])
def test_tasks_that_wait_for_an_operator_degrade_it_but_requests_are_taken(client, consumer, workers, stage):
    consumer.generate()
    consumer.generate()
    Task.objects.update(stage=stage)
    consumer.generate()

    status, body = ready(client)

    assert (status, body["status"]) == (200, "degraded")
    assert body["provider"] == {"status": "waiting", "tasks": {stage: 2}}


def test_health_needs_no_key_and_tells_no_secret(client, workers, settings):
    body = client.get("/health").content.decode()

    assert django_settings.REDIS_URL not in body
    assert settings.MINIMAX_API_KEY not in body
