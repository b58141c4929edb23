"""The one clock: what it goes by, and what it does not."""

import asyncio
import os
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection

from conduit import clock
from conduit.clock import DatabaseClock, Measurement

OFFSET = 1_700_000_000.0


@pytest.fixture
def fresh():
    """A clock that has measured nothing yet."""
    made = DatabaseClock()
    yield made
    made.stop()


@pytest.fixture
def postgres(db):
    if connection.vendor != "postgresql":
        pytest.skip("on SQLite the host's clock is the one")


@pytest.fixture
def nobody_listens(monkeypatch):
    def refused():
        raise ConnectionError("nobody listens")

    monkeypatch.setattr(clock, "_connect", refused)


def by_the_database():
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


def learned(made, *measurements):
    """The offset after these, each (at, offset, error)."""
    for at, offset, error in measurements:
        made.learn(Measurement(at, OFFSET + offset, error))
    return made._offset - OFFSET


def test_it_shows_what_the_database_shows(postgres):
    before, shown, after = by_the_database(), clock.now(), by_the_database()

    near = timedelta(seconds=0.5)  # half of what the slowest trip to a server on a busy machine takes
    assert before - near <= shown <= after + near
    assert shown.tzinfo is UTC


def test_reading_it_asks_nothing_of_anybodys_connection(postgres, fresh, django_assert_num_queries):
    with django_assert_num_queries(0):
        for _ in range(100):
            assert clock.now()
        assert fresh.seconds()  # the first reading neither


@pytest.mark.parametrize("wrong_by", [-65, -1.5, 1.5, 65, 1e6])
def test_a_host_whose_clock_is_wrong_changes_nothing(postgres, wrong_by):
    before = clock.now()
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=wrong_by), tick=True):
        shown = clock.now()
    after = clock.now()

    near = timedelta(seconds=0.5)  # it may have been measured meanwhile, better than before
    assert before - near <= shown <= after + near


def test_a_process_that_starts_with_a_wrong_clock_measures_before_it_shows_anything(postgres, fresh):
    with time_machine.travel(datetime.now(UTC) + timedelta(days=1), tick=True):
        shown = fresh.seconds()

    assert abs(shown - by_the_database().timestamp()) < 60


def test_the_event_loop_never_waits_for_the_first_measurement(fresh, monkeypatch):
    reached = threading.Event()

    def connect():
        reached.wait()
        raise ConnectionError("nobody listens")

    monkeypatch.setattr(clock, "_connect", connect)

    async def read():
        return fresh.seconds()

    shown = asyncio.run(read())

    assert not fresh._asked.is_set()
    assert abs(shown - time.time()) < 60
    reached.set()


def test_while_the_database_was_never_reached_the_hosts_clock_goes(fresh, nobody_listens):
    assert abs(fresh.seconds() - time.time()) < 60


def test_while_the_database_is_away_the_last_measurement_goes_on(fresh, nobody_listens):
    fresh.learn(Measurement(time.monotonic(), OFFSET, 0.001))

    assert abs(fresh.seconds() - OFFSET - time.monotonic()) < 60


def test_the_quickest_trip_of_a_minute_says_most(fresh):
    assert learned(fresh, (100, 0.000, 0.0002), (105, 0.040, 0.050)) == pytest.approx(0.000, abs=1e-6)


def test_a_slow_trip_is_forgotten_for_a_quicker_one(fresh):
    assert learned(fresh, (100, 0.040, 0.050), (105, 0.001, 0.0002)) == pytest.approx(0.001, abs=1e-6)


def test_an_old_measurement_is_not_better_for_ever(fresh):
    assert learned(fresh, (100, 0.000, 0.0002), (100 + clock.REMEMBERED_SECONDS, 0.004, 0.010)) == pytest.approx(0.004, abs=1e-6)


@pytest.mark.parametrize("step", [-3600, -0.5, 0.5, 3600])
def test_a_step_of_the_databases_clock_is_gone_along_with_at_once(fresh, step):
    assert learned(fresh, (100, 0.0, 0.0002), (105, step, 0.050)) == pytest.approx(step, abs=1e-6)


def test_a_forked_child_knows_the_time_and_measures_for_itself(postgres, fresh):
    fresh.seconds()
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            shown = fresh.seconds()
            measures = fresh._thread is not None and fresh._thread.is_alive()
            fresh.stop()
            os.write(writer, f"{shown} {measures}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as answer:
        shown, measures = answer.read().split()

    assert abs(float(shown) - by_the_database().timestamp()) < 60
    assert measures == "True"
    fresh._trip()  # the child has not closed our connection


@pytest.mark.parametrize(
    ("seconds", "detail"),
    [
        (1.9, None),
        (-1.9, None),
        (2.1, "Its clock is more than 2 seconds ahead of the database's."),
        (-65, "Its clock is more than a minute behind the database's."),
    ],
)
def test_a_host_is_named_whose_clock_is_more_than_two_seconds_off(seconds, detail):
    assert clock._apart(seconds) == detail


def test_tests_move_it_on_every_database(time_travel):
    time_travel.move_to("2026-01-31T12:00:00Z", tick=False)
    time_travel.shift(60)

    assert clock.now() == datetime(2026, 1, 31, 12, 1, tzinfo=UTC)
