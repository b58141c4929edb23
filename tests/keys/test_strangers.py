"""Unknown secrets are counted while Redis is away too, by each process for itself, and a good key is never locked out by that."""

import asyncio

import pytest

from keys.strangers import Strangers


@pytest.fixture(autouse=True)
def _away(settings):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"  # nothing listens there


def test_without_redis_a_process_counts_for_itself_and_what_it_cannot_ask_passes(settings):
    limit = settings.WEB_BOUNDS.unknown_secrets_per_minute
    strangers = Strangers()
    assert not strangers.have_come
    strangers.came_from("192.0.2.1")
    assert strangers.seconds_closed("192.0.2.1") == 0
    strangers._counts["192.0.2.1"] = (limit - 1, strangers._counts["192.0.2.1"][1])
    strangers.came_from("192.0.2.1")
    assert 50 < strangers.seconds_closed("192.0.2.1") <= 60
    assert strangers.seconds_closed("192.0.2.2") == 0
    assert asyncio.run(strangers.was_good("anything")) is True


def test_it_is_over_after_a_minute(settings, monkeypatch):
    strangers = Strangers()
    for _ in range(2):
        strangers.came_from("192.0.2.1")
    ends_at = strangers._counts["192.0.2.1"][1]
    monkeypatch.setattr("time.monotonic", lambda: ends_at + 1)
    assert strangers.seconds_closed("192.0.2.1") == 0
    assert not strangers.have_come
