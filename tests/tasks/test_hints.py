"""Hints that leave together: written as Celery writes them, and lost without anybody waiting for them."""

import json
import logging
import time
from uuid import uuid4

import pytest
import redis
from celery import current_app
from django.conf import settings as django_settings

from conduit import celery_app
from conduit.messages import good_for
from conduit.stack.ports import free_port
from tasks import hints
from tasks.hints import Hint, HintSender

JOB = "videos.jobs.advance_generation"
# What no two messages have in common.
_OF_EACH = {"id", "root_id", "correlation_id", "delivery_tag", "reply_to"}


@pytest.fixture
def broker():
    """The broker's Redis, empty before and after."""
    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        client.flushall()
        yield client
        client.flushall()


def shown(message):
    """A message without what is of this one alone, which must be there."""
    message = json.loads(message)
    for part in (message["headers"], message["properties"]):
        for name in _OF_EACH & part.keys():
            assert isinstance(part[name], str)
            part[name] = "…"
    return message


def test_a_message_is_what_celery_writes(broker):
    hint = Hint(JOB, "provider", (str(uuid4()), "provider", None), good_for(5))
    current_app.send_task(hint.job, args=list(hint.args), queue=hint.queue, headers=hint.headers)
    hints._made_by_celery.cache_clear()  # a job that was imported since has other headers
    [written] = broker.lrange("provider", 0, -1)

    ours = hints.message(hint)

    assert shown(ours) == shown(written)
    ours = json.loads(ours)
    ids = [ours["headers"]["id"], ours["headers"]["root_id"], ours["properties"]["correlation_id"]]
    assert len(set(ids)) == 1
    assert ids[0] != json.loads(hints.message(hint))["headers"]["id"]


def test_those_that_wait_leave_together_in_their_order_each_to_its_queue(broker, monkeypatch):
    batches = []
    send = hints.send
    monkeypatch.setattr(hints, "send", lambda some: (batches.append(len(some)), send(some)))
    sender = HintSender()

    for number in range(20):
        sender.put(Hint(JOB, ("provider", "media")[number % 2], (str(number),), {}))
    sender.flush()

    for queue, first in (("provider", 0), ("media", 1)):
        found = [json.loads(message)["headers"]["argsrepr"] for message in reversed(broker.lrange(queue, 0, -1))]
        assert found == [f"['{number}']" for number in range(first, 20, 2)]
    assert sum(batches) == 20
    assert len(batches) < 20


def test_while_the_broker_is_away_nobody_waits_and_one_line_says_so(monkeypatch, caplog):
    away = celery_app.conf.broker_url
    monkeypatch.setattr(celery_app.conf, "broker_url", f"redis://127.0.0.1:{free_port()}/0")
    assert away != celery_app.conf.broker_url
    sender = HintSender()

    began = time.monotonic()
    for _ in range(50):
        sender.put(Hint(JOB, "provider", ("1",), {}))
    took = time.monotonic() - began
    sender.flush(60)

    assert took < 10  # a fifth of a second for each
    assert not sender._waiting
    told = [line.getMessage() for line in caplog.records if line.levelno == logging.WARNING and "hints" in line.getMessage()]
    assert told == ["redis away: hints are not sent (ConnectionError)"]
