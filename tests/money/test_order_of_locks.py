"""Locks are taken in one order (docs/concurrency.md): nobody waits for a row above one that he has."""

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection, transaction

from conduit import clock
from keys import corrections
from keys.models import Period, Team, UsageCost, VirtualKey
from keys.services import change_key
from tasks import own_limits
from tasks.models import Task
from tests.settings import ON_SQLITE
from tests.support.ending import end
from tests.support.locks import ORDER, locks_watched
from tests.support.managing import make_manager
from tests.support.racing import in_threads
from videos import retention

pytestmark = [pytest.mark.django_db, pytest.mark.skipif(ON_SQLITE, reason="one writes at a time there")]

PATH = "/v1/video/generations"
WISH = {"model": "minimax-video", "prompt": "a cat"}


@pytest.fixture
def bound(consumer):
    """A consumer whose creates take every lock that there is."""
    team = Team.objects.create(name="film")
    for owner in (team, consumer.key):
        owner.budgets.create(period=Period.DAILY, amount=Decimal(9))
    change_key(consumer.key, who="root", team=team, tasks_in_flight=1, over_limit="queue")
    consumer.key.refresh_from_db()
    return consumer


def test_the_paper_has_the_same_order():
    said = (Path(__file__).resolve().parents[2] / "docs/concurrency.md").read_text()
    rows = dict(re.findall(r"^\| ([1-6]) \| (.*?) \|", said, re.MULTILINE))
    assert list(rows) == [str(number) for number, _ in enumerate(ORDER, 1)]
    words = ("the run", "claims", "the task", "the key", "windows", "the place")
    assert [rows[str(number)].startswith(word) for number, word in enumerate(words, 1)] == [True] * 6


def test_creating_ending_and_correcting_take_them_in_their_order(bound):
    with locks_watched() as locks:
        done = bound.post(PATH, WISH, idempotency_key="1").json()["task_id"]
        waiting, failed = (bound.post(PATH, WISH).json()["task_id"] for _ in range(2))
        end(done, "completed")
        own_limits.go_on(clock.now())
        bound.post(f"/v1/tasks/{waiting}/cancel")
        end(failed, "failed")
        corrections.correct(entry="refund", who="root", why="it flickers", task_id=done, key=bound.key, amount=Decimal("0.1"))
        for entry in ("credit", "adjustment"):
            corrections.correct(entry=entry, who="root", why="a gift", task_id=None, key=bound.key, amount=Decimal(1))

    assert ["claim", "key", "window", "feed"] in locks.taken
    assert ["task", "key", "window", "feed"] in locks.taken


def test_operators_and_clean_ups_take_them_in_their_order(bound, settings, time_travel):
    settings.RESULTS_KEPT_DAYS = settings.PROMPTS_KEPT_DAYS = 7
    manager = make_manager()
    failed, done = (bound.post(PATH, WISH, idempotency_key=one).json()["task_id"] for one in ("1", "2"))
    end(failed, "failed")
    end(done, "completed")
    with locks_watched() as locks:
        manager("POST", f"tasks/{failed}/retry", **{"Idempotency-Key": "1"})
        manager("DELETE", f"tasks/{done}/media")
        time_travel.move_to(clock.now() + timedelta(days=8))
        retention.forget_old(clock.now())

    assert ["claim", "task", "key", "window", "feed"] in locks.taken
    assert locks.taken.count(["claim", "task"]) >= 1


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_whoever_lets_tasks_of_a_key_go_on_waits_for_none_that_is_being_cancelled(bound):
    first, waiting = (bound.generate()["task_id"] for _ in range(2))
    end(first, "failed")
    with transaction.atomic():
        Task.objects.filter(pk=waiting).update(last_error_code="cancelled in a moment")  # as a cancel does first
        in_threads(lambda: own_limits.go_on(clock.now()))
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '1s'")
        VirtualKey.objects.select_for_update(no_key=True).get(pk=bound.key.pk)  # and this after it

    own_limits.go_on(clock.now())
    assert not Task.objects.over_limit().exists()
    assert UsageCost.objects.filter(entry="capture").count() == 1
