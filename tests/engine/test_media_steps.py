"""Work on a task's files: what is counted, what follows when it comes to nothing, and who hears of it."""

from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import pytest
from django.core.files.storage import FileSystemStorage
from django.db import OperationalError

from tasks.models import Task
from tests.support.real_clips import Clip as RealClip
from tests.support.real_clips import write
from videos.engine import rendering as media_steps
from videos.engine.step import Step
from videos.media import child
from videos.media.errors import Harm, MediaError, ReaderStopped
from videos.media.facts import ClipFacts
from videos.media.orders import Work
from videos.models import Clip, ClipState, Video
from videos.stages import Stage

pytestmark = pytest.mark.django_db

SMALL = RealClip(width=160, height=90, encoder={"preset": "ultrafast"})


class LostAndAway(FileSystemStorage):
    """It does not find a file, and then cannot say whether it has it."""

    def _open(self, name: str, mode: str = "rb") -> Any:
        raise FileNotFoundError(name)

    def exists(self, name: str) -> bool:
        raise OSError("the storage is away")


def until(driver: Any, task_id: str, *, number: int, state: str) -> Clip:
    while (clip := Clip.objects.filter(video_id=task_id, number=number).first()) is None or clip.state != state:
        assert driver.step(task_id).is_active
    return clip


@pytest.mark.parametrize(("fps", "frames", "bought"), [(16, 96, 2), (50, 300, 2), (16, 48, 3)])
def test_a_clip_of_another_rate_counts_by_the_time_that_it_lasts(consumer, driver, sandbox, media, fps, frames, bought):
    task_id = consumer.generate(duration=12, resolution="720x480")["task_id"]
    clip = until(driver, task_id, number=1, state=ClipState.STORED)
    write(Path(media, clip.file), replace(SMALL, fps=Fraction(fps), frames=frames))

    task = driver.finish(task_id)

    assert task.status == "completed"
    assert Clip.objects.filter(video_id=task_id).count() == bought
    assert consumer.task(task_id)["result"]["duration"] == pytest.approx(12, abs=0.04)


# ---- What is ours is not the file's fault ---------------------------------------------------------------------------------


def ends_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """The reader of files ends with that error."""

    def end(*args: Any, **kwargs: Any) -> None:
        raise error

    for work in get_args(Work):
        monkeypatch.setattr(child, work, end)


def counted(task_id: str) -> int:
    return Video.objects.get(pk=task_id).unfinished_assemblies


@pytest.mark.parametrize("harm", [Harm.CRASH, Harm.TIME, Harm.MEMORY, Harm.SIZE])
def test_a_file_that_harms_its_reader_each_time_is_given_up(consumer, driver, sandbox, monkeypatch, harm):
    task_id = consumer.generate(duration=1, resolution="720x480")["task_id"]
    driver.until(task_id, ClipState.STORED)
    ends_with(monkeypatch, MediaError("it hurts", harm))

    for times in (1, 2, 3):
        assert driver.step(task_id).is_active
        assert counted(task_id) == times
    task = driver.step(task_id)

    assert (task.status, task.error_code) == ("failed", "invalid_video")


@pytest.mark.parametrize(
    "error",
    [ReaderStopped("out of time on the clock"), OSError("no space left"), OperationalError("the database is away")],
    ids=["stopped", "storage", "database"],
)
def test_what_is_not_the_files_fault_never_counts_against_it(consumer, driver, sandbox, monkeypatch, error):
    task_id = consumer.generate(duration=1, resolution="720x480")["task_id"]
    driver.until(task_id, ClipState.READY)
    with monkeypatch.context() as patched:
        ends_with(patched, error)
        for _ in range(6):
            with suppress(OperationalError):
                assert driver.step(task_id).is_active
            Task.objects.filter(pk=task_id).update(lease_until=None, lease_token=None)  # as if it had lapsed
            assert counted(task_id) == 0

    assert driver.finish(task_id).status == "completed"
    assert Clip.objects.filter(video_id=task_id).count() == 1


def test_a_worker_that_is_killed_in_the_middle_does_not_count_against_the_file(consumer, driver, sandbox, monkeypatch):
    class Killed(BaseException):
        pass

    task_id = consumer.generate(duration=1, resolution="720x480")["task_id"]
    driver.until(task_id, ClipState.STORED)
    with monkeypatch.context() as patched:
        ends_with(patched, Killed())
        for _ in range(6):
            with suppress(Killed):
                driver.step(task_id)
            Task.objects.filter(pk=task_id).update(lease_until=None, lease_token=None)

    assert counted(task_id) == 0
    assert driver.finish(task_id).status == "completed"


def test_a_step_whose_workers_die_each_time_ends_with_its_time_limit(consumer, driver, sandbox, settings):
    task_id = consumer.generate(duration=1, resolution="720x480")["task_id"]
    driver.until(task_id, ClipState.READY)
    Task.objects.filter(pk=task_id).update(attempts=7)
    settings.DELIVERY_SECONDS_MAX = 1e-6

    task = driver.step(task_id)

    assert (task.status, task.error_code) == ("failed", "delivery_timeout")


def test_an_assembly_goes_on_when_the_database_cannot_hear_how_far_it_is(consumer, driver, sandbox, monkeypatch):
    monkeypatch.setattr(media_steps, "PROGRESS_SECONDS", 0)
    task_id = consumer.generate(duration=1, resolution="720x480")["task_id"]
    driver.until(task_id, ClipState.READY)
    refused = []

    def away(self: Step, *args: Any, **kwargs: Any) -> None:
        refused.append(kwargs)
        raise OperationalError("the database is away")

    monkeypatch.setattr(Step, "note", away)

    assert driver.step(task_id).status == "completed"
    assert refused


# ---- Timing that cannot be right ------------------------------------------------------------------------------------------


def with_time_scale(content: bytes, factor: float) -> bytes:
    """The file, whose headers now say that a second has so many times as many units: all of it is over sooner."""
    for box, place in ((b"mvhd", 16), (b"mdhd", 16)):
        at = content.index(box) + place
        scale = int.from_bytes(content[at : at + 4], "big")
        content = content[:at] + round(scale * factor).to_bytes(4, "big") + content[at + 4 :]
    return content


@pytest.mark.parametrize("factor", [2, 1.5, 60, 1000, 0.4])
def test_two_header_values_make_the_engine_buy_nothing(consumer, driver, sandbox, media, factor):
    task_id = consumer.generate(duration=6, resolution="720x480")["task_id"]
    driver.until(task_id, ClipState.STORED)
    path = Path(media, Clip.objects.get(video_id=task_id).file)
    path.write_bytes(with_time_scale(path.read_bytes(), factor))

    task = driver.finish(task_id)

    assert (task.status, task.error_code, task.charged) == ("failed", "invalid_video", 0)
    assert [clip.state for clip in Clip.objects.filter(video_id=task_id)] == [ClipState.FAILED]
    assert not list(Path(media).rglob("frame-*"))


@pytest.mark.parametrize(
    ("pictures", "seconds", "possible"),
    [
        (150, 6.0, True),
        (300, 6.0, True),  # 50 a second
        (96, 6.0, True),
        (150, 4.6, True),
        (10, 0.4, True),  # far too short, but as short as its pictures
        (75, 3.0, True),
        (150, 3.0, False),
        (150, 0.017, False),
        (70, 1.0, False),
        (150, 12.1, False),
    ],
)
def test_what_a_clip_says_of_its_length_is_held_against_its_pictures_and_the_order(pictures, seconds, possible):
    facts = ClipFacts(width=160, height=90, fps=25, frames=150, seconds=seconds, pictures=pictures, has_audio=False, size_bytes=1)
    assert facts.may_last(6, 25) is possible


# ---- The storage, and readers of the row ----------------------------------------------------------------------------------


def test_a_storage_that_neither_has_a_clip_nor_can_say_so_is_waited_for(consumer, driver, sandbox, media, settings):
    task_id = consumer.generate(duration=1, resolution="720x480")["task_id"]
    driver.until(task_id, ClipState.STORED)
    options = {"location": media}
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.LostAndAway", "OPTIONS": options}}

    assert driver.step(task_id).last_error_code == "storage_unavailable"

    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}}
    assert driver.finish(task_id).status == "completed"


def test_whoever_reads_the_database_finds_a_new_leg_of_the_same_stage(consumer, driver, sandbox):
    task_id = consumer.generate(duration=12, resolution="720x480")["task_id"]
    until(driver, task_id, number=0, state=ClipState.SUBMITTED)
    Task.objects.filter(pk=task_id).update(stage=Stage.GENERATING)  # as an earlier poll saw it
    before = Task.objects.get(pk=task_id)

    until(driver, task_id, number=0, state=ClipState.MADE)

    after = Task.objects.get(pk=task_id)
    assert after.stage == before.stage
    assert after.leg_started_at > before.leg_started_at
    assert after.updated_at > before.updated_at
