"""Of two beats one sends, and the other begins when that one ends or hangs."""

import pytest
import redis
from celery import current_app
from django.conf import settings as django_settings

from conduit import beat
from conduit.beat import LOOK_SECONDS, OneBeat
from conduit.stack.ports import free_port


@pytest.fixture
def make_beat(monkeypatch):
    """Beats that count their ticks, and send nothing."""
    ticks = []
    monkeypatch.setattr("celery.beat.Scheduler.tick", lambda self, *args, **kwargs: ticks.append(self) or 60.0)
    server = redis.Redis.from_url(django_settings.REDIS_URL)
    server.delete("conduit:beat")
    yield lambda: (OneBeat(current_app, lazy=True), ticks, server)
    server.delete("conduit:beat")
    server.close()


def test_a_second_beat_waits_until_the_first_ends(make_beat):
    first, ticks, _ = make_beat()
    second, *_ = make_beat()

    assert first.tick() < beat.LEASE_SECONDS / 2
    assert second.tick() == LOOK_SECONDS
    first.tick()
    assert ticks == [first, first]
    first.close()
    second.tick()
    assert ticks[-1] is second
    assert first.tick() == LOOK_SECONDS


def test_one_that_hangs_gives_way_and_does_not_send_beside_the_other_when_it_is_back(make_beat):
    first, ticks, server = make_beat()
    second, *_ = make_beat()
    first.tick()
    server.delete("conduit:beat")  # its lease is over

    second.tick()

    assert first.tick() == LOOK_SECONDS
    assert ticks == [first, second]


def test_without_redis_nobody_sends(make_beat, settings):
    first, ticks, _ = make_beat()
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"

    assert first.tick() == LOOK_SECONDS
    assert ticks == []
    first.close()
