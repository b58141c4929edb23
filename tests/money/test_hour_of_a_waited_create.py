"""The limit of tasks per hour, where creates wait for each other before they are written."""

from datetime import UTC, datetime, timedelta

import pytest

from keys import locks
from keys.services import change_key
from tasks.models import Task
from tests.support.envelopes import refused

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

NOON = datetime(2026, 3, 11, 12, tzinfo=UTC)


@pytest.fixture
def waits(monkeypatch, time_travel):
    """Has every create wait for its key as long as it is told."""

    def wait(seconds):
        locking = locks.locking

        def late(*asked):
            time_travel.shift(seconds)
            return (yield from locking(*asked))

        monkeypatch.setattr(locks, "locking", late)

    return wait


def test_no_sixty_minutes_show_more_tasks_than_the_limit_however_long_a_create_waited(consumer, waits, time_travel):
    change_key(consumer.key, who="root", tasks_per_hour=1)
    time_travel.move_to(NOON, tick=False)
    consumer.generate()
    time_travel.move_to(NOON + timedelta(minutes=59, seconds=55), tick=False)
    waits(10)

    answer = consumer.post("/v1/video/generations", {"model": "minimax-video", "prompt": "a cat"})

    assert "1 task in any 60 minutes" in refused(answer, 429, "rate_limit_exceeded")
    assert Task.objects.count() == 1
    assert consumer.generate()["status"] == "queued"
