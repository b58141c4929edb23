"""Work on a task's files: what is counted, what follows when it comes to nothing, and who hears of it."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage

from tasks.models import Task
from tests.support.real_clips import Clip as RealClip
from tests.support.real_clips import write
from videos.models import Clip, ClipState
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


@pytest.mark.parametrize(("fps", "frames", "bought"), [(16, 96, 2), (50, 300, 2), (50, 150, 3)])
def test_a_clip_of_another_rate_counts_by_the_time_that_it_lasts(consumer, driver, sandbox, media, fps, frames, bought):
    task_id = consumer.generate(duration=12, resolution="720x480")["task_id"]
    clip = until(driver, task_id, number=1, state=ClipState.STORED)
    write(Path(media, clip.file), replace(SMALL, fps=Fraction(fps), frames=frames))

    task = driver.finish(task_id)

    assert task.status == "completed"
    assert Clip.objects.filter(video_id=task_id).count() == bought
    assert consumer.task(task_id)["result"]["duration"] == pytest.approx(12, abs=0.04)


def test_a_storage_that_neither_has_a_clip_nor_can_say_so_is_waited_for(consumer, driver, sandbox, media, settings):
    task_id = consumer.generate(duration=1, resolution="720x480")["task_id"]
    driver.until(task_id, ClipState.STORED)
    options = {"location": media}
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.LostAndAway", "OPTIONS": options}}

    assert driver.step(task_id).trouble == "storage_unavailable"

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
