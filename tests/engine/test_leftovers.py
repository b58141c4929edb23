"""Files that nobody needs: of steps that were refused, outrun or killed."""

import errno
import os
import threading
import time
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage

from tests.support.lookalike import Answer
from tests.support.racing import in_threads
from videos import rendering
from videos.models import Clip, ClipState

pytestmark = pytest.mark.django_db


class NoRoomForThumbnails(FileSystemStorage):
    """A disk that is full just when the video is stored already."""

    def _save(self, name: str, content: Any) -> str:
        if "thumbnail" in name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return str(super()._save(name, content))


def test_a_disk_that_is_full_is_not_filled_with_another_copy_of_the_video_at_each_try(consumer, driver, sandbox, media, settings):
    task_id = consumer.generate(duration=1, resolution="720x480")["task_id"]
    options = {"location": media}
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.NoRoomForThumbnails", "OPTIONS": options}}
    while (task := driver.step(task_id)).last_error_code != "storage_unavailable":
        assert task.is_active
    for _ in range(3):
        driver.step(task_id)

    assert sorted(path.name.split("-")[0] for path in media.rglob("*") if path.is_file()) == ["clip"]
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}}
    assert driver.finish(task_id).status == "completed"


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_clip_that_comes_after_its_task_was_cancelled_is_not_kept(consumer, driver, minimax, media):
    hold = threading.Event()
    minimax.next("download", Answer(hold=hold))
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.LOCATED)

    def cancel() -> None:
        minimax.wait_for("download")
        assert consumer.delete(f"/v1/video/generations/{task_id}").status_code == 200
        hold.set()

    in_threads(lambda: driver.step(task_id), cancel)

    assert Clip.objects.get(video_id=task_id).state == ClipState.LOCATED
    assert [path for path in media.rglob("*") if path.is_file()] == []


def test_scratch_that_a_killed_run_left_goes_when_nobody_can_be_at_work_in_it(settings, media):
    old, new = settings.WORK_DIR / "old", settings.WORK_DIR / "new"
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "clip.mp4").write_bytes(b"some of it")
    long_ago = time.time() - 2 * settings.MEDIA_STEP_SECONDS - 1
    os.utime(old, (long_ago, long_ago))

    rendering.remove_old_scratch()

    assert list(settings.WORK_DIR.iterdir()) == [new]
