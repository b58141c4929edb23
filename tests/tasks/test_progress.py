from datetime import timedelta

import pytest

from conduit import clock
from tasks import progress
from tasks.models import Status, Task

NOW = clock.now()


def task(**fields):
    leg = {"progress": 2, "leg_goal": 95, "leg_started_at": NOW, "leg_seconds": 100.0, "rest_seconds": 20.0}
    return Task(**{"status": Status.PROCESSING} | leg | fields)


def at(seconds, **fields):
    return progress.read(task(**fields), NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(("seconds", "percent", "left"), [(0, 2, 120), (50, 48, 70), (90, 85, 30)])
def test_a_leg_that_takes_its_usual_time_is_read_off_the_clock(seconds, percent, left):
    reading = at(seconds)

    assert (reading.progress, reading.eta_seconds) == (percent, left)


def test_a_leg_that_begins_when_a_pause_ends_stands_still_until_then_and_its_time_left_counts_from_there():
    assert [(at(seconds).progress, at(seconds).eta_seconds) for seconds in (-3600, -60, 0, 50)] == [(2, 3720), (2, 180), (2, 120), (48, 70)]


def test_nobody_knows_what_is_left_of_a_leg_that_begins_when_somebody_says_so():
    reading = at(50, leg_started_at=progress.NOT_KNOWN)

    assert (reading.progress, reading.eta_seconds) == (2, None)


def test_progress_never_goes_back_and_never_passes_the_legs_end():
    seen = [at(seconds).progress for seconds in range(0, 5000, 7)]

    assert seen == sorted(seen)
    assert max(seen) <= 95


def test_the_time_left_of_an_overdue_leg_grows_instead_of_ending():
    left = [at(seconds).eta_seconds for seconds in (100, 130, 200, 1000)]

    assert left == sorted(left)
    assert min(left) > 20


def test_the_last_leg_never_says_100():
    assert at(10**6, progress=97, leg_goal=100).progress == 99


def test_a_leg_without_a_usual_time_stands_at_its_end_but_below_100():
    assert at(0, leg_seconds=0, leg_goal=99).progress == 99


@pytest.mark.parametrize(("status", "percent"), [(Status.COMPLETED, 100), (Status.FAILED, 40), (Status.CANCELLED, 40)])
def test_an_ended_task_stands_still_and_waits_for_nothing(status, percent):
    reading = at(500, status=status, progress=40)

    assert (reading.progress, reading.eta_seconds) == (percent, None)
