"""Progress and time left: read by the clock, never back, always moving, true once a job has finished."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from tasks import progress
from tasks.models import Status, Task
from videos import kept_catalogue
from videos.catalogue import learn
from videos.exchange_models import Timing

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def task_in_a_leg(seconds: float, *, begun: int = 2, goal: int = 95, rest: float = 3.0) -> Task:
    return Task(status=Status.PROCESSING, progress=begun, leg_goal=goal, leg_started_at=NOW, leg_seconds=seconds, rest_seconds=rest)


def readings(task: Task, until: float, every: float = 1.0) -> list[progress.Reading]:
    return [progress.read(task, NOW + timedelta(seconds=step * every)) for step in range(int(until / every) + 1)]


@pytest.mark.parametrize("usual", [0.0, 1.0, 8.0, 100.0, 240.0])
def test_progress_never_goes_back_and_never_reaches_the_end_of_its_leg(usual):
    seen = [reading.progress for reading in readings(task_in_a_leg(usual), until=10 * usual + 60)]

    assert seen == sorted(seen)
    assert 2 <= seen[0] <= seen[-1] <= 95


@pytest.mark.parametrize("usual", [0.0, 1.0, 8.0, 100.0, 240.0])
def test_progress_or_time_left_changes_at_least_every_five_seconds_even_when_overdue(usual):
    seen = readings(task_in_a_leg(usual), until=3 * usual + 120, every=5.0)

    assert all(earlier != later for earlier, later in itertools.pairwise(seen))


def test_halfway_through_the_usual_time_half_of_the_leg_is_done():
    reading = progress.read(task_in_a_leg(100.0, begun=0, goal=90), NOW + timedelta(seconds=50))

    assert (reading.progress, reading.eta_seconds) == (45, 53)


def test_a_clock_that_is_a_little_behind_shows_the_start_of_the_leg():
    assert progress.read(task_in_a_leg(10.0), NOW - timedelta(seconds=3)).progress == 2


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED])
def test_a_task_that_ended_early_stays_where_it_was(status):
    task = task_in_a_leg(10.0)
    task.status, task.progress = status, 40

    assert progress.read(task, NOW + timedelta(hours=1)) == progress.Reading(40, None)


@pytest.mark.django_db
def test_the_first_finished_job_makes_the_next_estimate(consumer, driver):
    first = consumer.generate()
    driver.finish(first["task_id"])
    Timing.objects.update(made_in=40.0, delivered_in=4.0)
    learn(upstream="video-01", seconds=6, resolution="720P")
    kept_catalogue.forget()  # or a process sees within ten seconds what clips taught

    second = consumer.generate()

    assert first["eta_seconds"] > 150
    assert second["eta_seconds"] in (44, 45)


@pytest.mark.django_db
def test_the_estimate_is_the_median_of_the_last_twenty_jobs_of_that_kind(consumer):
    def finished(*seconds: float, upstream: str = "video-01", clip: int = 6, resolution: str = "720P") -> None:
        for value in seconds:
            Timing.objects.create(upstream=upstream, seconds=clip, resolution=resolution, made_in=value, delivered_in=1.0)

    finished(*[500.0] * 30)
    finished(*[50.0] * 9, 55.0, *[60.0] * 10)
    finished(7.0, upstream="other")
    finished(7.0, clip=10)
    finished(7.0, resolution="1080P")

    assert Timing.objects.typical(upstreams=["video-01"], seconds=6, resolution="720P") == (57.5, 1.0)


@pytest.mark.django_db
def test_progress_only_rises_over_the_whole_life_of_a_task(consumer, driver):
    task_id = consumer.generate()["task_id"]
    seen = [consumer.task(task_id)["progress"]]
    while (task := driver.step(task_id)).is_active:
        seen.append(consumer.task(str(task.pk))["progress"])

    assert seen == sorted(seen)
    assert max(seen) < 100
    assert consumer.task(task_id)["progress"] == 100
