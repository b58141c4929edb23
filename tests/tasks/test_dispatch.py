"""Hints are only hints: what happens to them never decides over a task."""

import ast
import json
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import redis
import time_machine
from celery import Celery
from django.conf import settings as django_settings

from conduit import celery_app, clock
from conduit.stack.ports import free_port
from conduit.streams import breaker
from tasks import dispatch, jobs, leases
from tasks import hints as waiting
from tasks.hints import HintSender
from tasks.models import Task
from tests.settings import ON_SQLITE
from tests.support.messages import take_messages
from videos.models import ClipState
from videos.presentation import KIND

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.sqlite]


@pytest.fixture(autouse=True)
def _nothing_waits_to_be_hinted(monkeypatch):
    monkeypatch.setattr(waiting, "sender", HintSender())


@pytest.fixture
def broker():
    """The broker's Redis, empty before and after."""
    client = redis.Redis.from_url(django_settings.REDIS_URL)
    client.flushall()
    yield client
    client.flushall()
    client.close()


@pytest.fixture
def broker_away():
    """A Celery whose broker refuses connections."""
    away = Celery("away", set_as_current=False)
    away.config_from_object("django.conf:settings", namespace="CELERY")
    away.conf.broker_url = f"redis://127.0.0.1:{free_port()}/0"
    away.set_current()
    yield
    celery_app.set_current()


def hints(broker, queue="provider"):
    """The arguments of the messages that wait there, oldest first."""
    waiting.sender.flush()
    messages = [json.loads(message) for message in reversed(broker.lrange(queue, 0, -1))]
    return [(message["headers"]["task"], ast.literal_eval(message["headers"]["argsrepr"])) for message in messages]


def forget_hints(broker):
    waiting.sender.flush()
    broker.flushall()


def test_a_create_hints_the_provider_worker_once_it_is_committed(consumer, broker):
    task_id = consumer.generate()["task_id"]

    assert hints(broker) == [("videos.jobs.advance_generation", [task_id, "provider", None])]


def test_a_create_while_the_broker_is_away_succeeds_at_once(consumer, broker_away):
    began = time.monotonic()
    created = consumer.generate()

    assert time.monotonic() - began < 2.5
    assert consumer.task(created["task_id"])["status"] == "queued"


def test_a_create_that_is_refused_hints_nothing(consumer, broker):
    consumer.post("/v1/video/generations", {"model": "minimax-video"})

    assert hints(broker) == []


def test_a_tick_hints_each_due_row_once_with_its_claim(consumer, broker):
    task_id = consumer.generate()["task_id"]
    forget_hints(broker)

    jobs.tick()
    jobs.tick()

    claim = Task.objects.get().lease_token
    assert hints(broker) == [("videos.jobs.advance_generation", [task_id, "provider", str(claim)])]


def test_a_tick_hints_the_lane_that_the_row_names(consumer, broker):
    task_id = consumer.generate()["task_id"]
    Task.objects.update(lane="media")
    forget_hints(broker)

    jobs.tick()

    assert (hints(broker), len(hints(broker, "media"))) == ([], 1)
    assert hints(broker, "media")[0][1][:2] == [task_id, "media"]


def test_rows_that_were_claimed_while_the_broker_was_away_are_claimed_again(consumer, broker_away):
    for _ in range(3):
        consumer.generate()

    began = time.monotonic()
    jobs.tick()

    assert time.monotonic() - began < 2.5
    later = clock.now() + timedelta(seconds=leases.CLAIM_SECONDS + 1)
    assert len(leases.claim_due(later, limit=10)) == 3


def test_a_broker_that_is_away_costs_its_time_limit_once_and_is_asked_again_later(broker_away, monkeypatch):
    monkeypatch.setattr(breaker, "PAUSE_SECONDS", 60)
    attempts = []
    send = Celery.send_task
    monkeypatch.setattr(Celery, "send_task", lambda *args, **kwargs: attempts.append(args) or send(*args, **kwargs))

    for _ in range(3):
        assert not dispatch.hint(uuid.uuid4(), KIND, "provider")
    while_away = len(attempts)
    breaker.breaker_of.cache_clear()
    dispatch.hint(uuid.uuid4(), KIND, "provider")

    assert (while_away, len(attempts)) == (1, 2)


def test_a_hint_is_worth_nothing_once_its_claim_has_lapsed(consumer, broker, time_travel):
    time_travel.move_to(clock.now(), tick=False)
    pk = uuid.UUID(consumer.generate()["task_id"])
    time_travel.shift(leases.CLAIM_SECONDS + 1)

    take_messages("provider")

    assert Task.objects.get(pk=pk).attempts == 0


@pytest.mark.skipif(ON_SQLITE, reason="on SQLite all processes are on one host, whose clock is the one")
def test_a_hint_is_taken_by_a_worker_whose_host_is_an_hour_ahead_of_the_senders(consumer, broker, driver):
    pk = uuid.UUID(consumer.generate()["task_id"])

    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1)):
        take_messages("provider")

    assert Task.objects.get(pk=pk).stage != "queued"


def test_a_step_that_is_followed_by_another_hints_it_at_once(consumer, driver, broker):
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.MADE)

    assert hints(broker)[-1] == ("videos.jobs.advance_generation", [task_id, "provider", None])
    driver.until(task_id, ClipState.STORED)
    assert hints(broker, "media") == [("videos.jobs.advance_generation", [task_id, "media", None])]
