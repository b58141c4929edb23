"""Hints are only hints: what happens to them never decides over a task."""

import ast
import json
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import redis
import time_machine
from celery import Celery, current_app
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
    consumer.generate()

    assert hints(broker) == [("tasks.jobs.do_next", ["provider"])]


def test_a_create_while_the_broker_is_away_succeeds_at_once(consumer, broker_away):
    began = time.monotonic()
    created = consumer.generate()

    assert time.monotonic() - began < 15  # who waits for the broker waits without end
    assert consumer.task(created["task_id"])["status"] == "queued"


def test_a_create_that_is_refused_hints_nothing(consumer, broker):
    consumer.post("/v1/video/generations", {"model": "minimax-video"})

    assert hints(broker) == []


def test_a_hint_does_the_step_of_its_lane_whose_turn_it_is(consumer, driver, minimax):
    current_app.loader.import_default_modules()
    later, sooner = (consumer.generate()["task_id"] for _ in range(2))
    Task.objects.filter(pk=sooner).update(next_step_at=clock.now() - timedelta(seconds=5))

    jobs.do_next("media")
    assert minimax.creates == []
    jobs.do_next("provider")

    assert [Task.objects.get(pk=pk).stage for pk in (sooner, later)] == ["preparing", "queued"]


def test_a_hint_of_what_was_done_already_does_nothing(consumer, driver, minimax, settings):
    settings.MINIMAX_POLL_SECONDS = 60
    current_app.loader.import_default_modules()
    consumer.generate()

    for _ in range(3):
        jobs.do_next("provider")

    assert len(minimax.creates) == 1
    assert minimax.calls("query") == []


def test_a_broker_that_is_away_costs_its_time_limit_once_and_is_asked_again_later(broker_away, monkeypatch):
    monkeypatch.setattr(breaker, "PAUSE_SECONDS", 60)
    attempts = []
    send = Celery.send_task
    monkeypatch.setattr(Celery, "send_task", lambda *args, **kwargs: attempts.append(args) or send(*args, **kwargs))

    for _ in range(3):
        assert not dispatch.hint("provider")
    while_away = len(attempts)
    breaker.breaker_of.cache_clear()
    dispatch.hint("provider")

    assert (while_away, len(attempts)) == (1, 2)


def test_a_hint_is_worth_nothing_after_half_a_minute(consumer, broker, time_travel):
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

    assert hints(broker)[-1] == ("tasks.jobs.do_next", ["provider"])
    driver.until(task_id, ClipState.STORED)
    assert hints(broker, "media") == [("tasks.jobs.do_next", ["media"])]
