"""How messages age: by Redis's clock or the database's, never by those of two hosts."""

from datetime import UTC, datetime, timedelta

import pytest
import redis
import time_machine
from celery import current_app, shared_task, signals
from celery.fixups.django import DjangoWorkerFixup
from django.conf import settings as django_settings
from django.db import connection

from conduit import clock, messages
from tests.settings import ON_SQLITE
from tests.support.messages import take_messages

# A job looks at its thread's connection first, and another test may have left one.
pytestmark = pytest.mark.django_db

QUEUE = "tests-of-messages"
ran: list[str] = []
connections: list[int] = []


@shared_task
def noted(name: str) -> None:
    ran.append(name)


@shared_task
def connected() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        connections.append(cursor.fetchone()[0])


@pytest.fixture(autouse=True)
def broker():
    ran.clear()
    server = redis.Redis.from_url(django_settings.REDIS_URL)
    server.flushdb()
    yield server
    server.flushdb()
    server.close()


def send(name="a", **options):
    noted.apply_async((name,), queue=QUEUE, **options)


def as_beat_sends(entry):
    """A message of the schedule's, but for where it goes and what it runs."""
    send(headers=entry["options"]["headers"])


@pytest.fixture
def tick():
    return django_settings.CELERY_BEAT_SCHEDULE["go on with runs"]


def test_jobs_that_piled_up_are_worth_one():
    for _ in range(20):
        send(headers=messages.once_in(60))

    assert take_messages(QUEUE) == 20
    assert ran == ["a"]


def test_a_later_tick_runs_again(tick, broker):
    as_beat_sends(tick)
    take_messages(QUEUE)
    broker.pexpire("conduit:ran:tests.conduit.test_messages.noted", 1)
    while broker.exists("conduit:ran:tests.conduit.test_messages.noted"):
        pass
    as_beat_sends(tick)
    take_messages(QUEUE)

    assert ran == ["a", "a"]


def test_the_pause_between_two_is_less_than_beats_own():
    for entry in django_settings.CELERY_BEAT_SCHEDULE.values():
        [seconds] = entry["options"]["headers"].values()
        assert 0 < seconds < entry["schedule"].run_every.total_seconds()


@pytest.mark.parametrize("seconds", [-3600, -3, 3, 3600])
def test_a_control_process_whose_host_is_off_takes_every_tick(tick, seconds):
    as_beat_sends(tick)

    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=seconds)):
        take_messages(QUEUE)

    assert ran == ["a"]


def test_nothing_that_is_sent_expires_by_a_hosts_clock(tick):
    for entry in django_settings.CELERY_BEAT_SCHEDULE.values():
        assert not {"expires", "eta", "countdown"} & set(entry["options"])


def test_beat_does_not_fall_silent_when_its_hosts_clock_is_set_back():
    schedule = django_settings.CELERY_BEAT_SCHEDULE["go on with runs"]["schedule"]
    last = schedule.now()
    with time_machine.travel(datetime.now(UTC) - timedelta(hours=1)):
        assert schedule.is_due(last).next <= 1
        assert schedule.is_due(last - timedelta(seconds=1)).is_due


def test_a_message_is_good_for_so_long_by_the_one_clock(time_travel):
    time_travel.move_to("2026-01-31T12:00:00Z", tick=False)
    for name in "ab":
        send(name, headers=messages.good_for(30))
    time_travel.shift(29)
    with current_app.connection_for_read() as wire, wire.SimpleQueue(QUEUE) as waiting:
        assert len(waiting) == 2
    take_messages(QUEUE)
    send("c", headers=messages.good_for(30))
    time_travel.shift(31)
    take_messages(QUEUE)

    assert ran == ["a", "b"]


def test_a_host_that_is_off_neither_keeps_a_message_nor_throws_it_away():
    send("good", headers=messages.good_for(30))
    send("old", headers=messages.good_for(-1))
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1)):
        take_messages(QUEUE)

    assert ran == ["good"]


def test_a_job_that_is_called_as_a_function_always_runs(tick):
    noted("a")
    noted("b")

    assert ran == ["a", "b"]


def test_while_redis_is_away_a_job_runs_rather_than_not(monkeypatch, settings, tick):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"

    assert messages._is_first("any", 1)


def test_the_clock_is_not_asked_for_what_has_no_age(monkeypatch):
    monkeypatch.setattr(clock, "_clock", None)
    send()
    take_messages(QUEUE)

    assert ran == ["a"]


@pytest.mark.skipif(ON_SQLITE, reason="its connections are files")
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_thread_keeps_its_connection_from_job_to_job_until_it_is_old(monkeypatch):
    connections.clear()
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 60)
    worker = DjangoWorkerFixup(current_app)  # what Celery does before and after each job

    def run():
        connected.apply_async(queue=QUEUE)
        take_messages(QUEUE)

    signals.task_prerun.connect(worker.on_task_prerun)
    signals.task_postrun.connect(worker.on_task_postrun)
    try:
        run()
        run()
        connection.close_at = 0  # as after a minute
        run()
    finally:
        signals.task_prerun.disconnect(worker.on_task_prerun)
        signals.task_postrun.disconnect(worker.on_task_postrun)

    first, second, third = connections
    assert first == second != third
