"""A storage that fails is noticed before anything is paid for."""

import queue
import threading
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage, storages

from conduit.conditions.models import Standing
from tasks.models import Task
from tests.support.driving import Driver
from videos import storage_check
from videos.models import Clip, ClipState

pytestmark = pytest.mark.django_db


class Failing(FileSystemStorage):
    """It fails at one of the three."""

    def __init__(self, fails: str, **options: Any) -> None:
        super().__init__(**options)
        self.fails = fails

    def _save(self, name: str, content: Any) -> str:
        if self.fails == "write":
            raise OSError(28, "No space left on device")
        return str(super()._save(name, content))

    def _open(self, name: str, mode: str = "rb") -> Any:
        if self.fails == "read":
            raise PermissionError(13, "Permission denied")
        if self.fails == "keep":
            Path(self.path(name)).write_bytes(b"something else")
        return super()._open(name, mode)

    def delete(self, name: str) -> None:
        if self.fails == "delete":
            raise PermissionError(13, "Permission denied")
        super().delete(name)


@pytest.fixture
def failing(settings, media):
    """The storage fails at that from now on; at "" it is well again."""
    well = settings.STORAGES

    def fail(at: str) -> None:
        broken = {"BACKEND": f"{__name__}.Failing", "OPTIONS": {"location": media, "fails": at}}
        settings.STORAGES = well | {"default": broken} if at else well
        storages._storages.clear()

    return fail


@pytest.mark.parametrize(
    ("at", "says"),
    [
        ("write", "It cannot write a file: No space left on device."),
        ("read", "It cannot read a file: Permission denied."),
        ("delete", "It cannot delete a file: Permission denied."),
        ("keep", "A file does not come back as it was written."),
    ],
)
def test_what_a_storage_cannot_do_is_said(failing, at, says):
    failing(at)
    assert storage_check.check() == says


def test_a_storage_that_is_well_keeps_nothing_of_the_check(media):
    assert storage_check.check() is None
    assert [path for path in Path(media).rglob("*") if path.is_file()] == []


def test_no_clip_is_ordered_while_the_storage_fails(consumer, driver: Driver, minimax, failing, monkeypatch):
    failing("write")
    task_id = consumer.generate()["task_id"]

    for _ in range(3):
        assert driver.step(task_id).is_active

    task = consumer.task(task_id)
    assert (task["status"], task["stage"]) == ("queued", "waiting_for_storage")
    assert minimax.creates == []
    assert Clip.objects.get(video_id=task_id).state == ClipState.PLANNED

    failing("")
    assert driver.finish(task_id).status == "completed"


def test_no_image_is_ordered_while_the_storage_fails(consumer, driver: Driver, minimax, failing):
    failing("write")
    task_id = consumer.generate(resolution="720x1280")["task_id"]

    assert driver.step(task_id).stage == "waiting_for_storage"

    assert minimax.images == []
    assert Clip.objects.filter(video_id=task_id).first().state == ClipState.PLANNED


def test_a_storage_that_fails_is_reported_until_it_is_well(failing, monkeypatch):
    class Over(Exception):
        pass

    seen: list[list[str]] = []

    def wait(*_: Any) -> None:
        seen.append(list(Standing.objects.filter(name="storage").values_list("detail", flat=True)))
        if len(seen) == 2:
            raise Over
        failing("")

    monkeypatch.setattr(storage_check.time, "sleep", wait)
    monkeypatch.setattr(storage_check._doubted, "wait", wait)
    monkeypatch.setattr(storage_check.connection, "close", lambda: None)  # it is the test's
    failing("write")

    with pytest.raises(Over):
        storage_check._check_on()

    assert seen == [["It cannot write a file: No space left on device."], []]


def test_a_silent_storage_keeps_one_step_waiting_and_not_all(media, monkeypatch):
    begun, answers = threading.Event(), threading.Event()

    def silent() -> None:
        begun.set()
        answers.wait(30)

    monkeypatch.setattr(storage_check, "_last", None)
    monkeypatch.setattr(storage_check, "_try", silent)
    one = threading.Thread(target=storage_check.trouble)
    one.start()
    assert begun.wait(30)

    assert storage_check.trouble() == "It has not answered yet."

    answers.set()
    one.join()
    assert storage_check.trouble() is None


def test_a_storage_that_hangs_is_told_of_before_it_answers_and_again_until_it_does(media, monkeypatch):
    told: queue.Queue[str | None] = queue.Queue()
    monkeypatch.setattr(storage_check.conditions, "report", lambda name, *, subject, detail: told.put(detail))
    monkeypatch.setattr(storage_check, "SILENT_SECONDS", 0.01)
    monkeypatch.setattr(storage_check, "_last", None)

    with storage_check._silence_told():
        assert [told.get(timeout=30) for _ in range(2)] == [storage_check.SILENT] * 2
    assert storage_check.trouble() == storage_check.SILENT


def test_silence_is_told_too_while_another_thread_s_try_hangs(media, monkeypatch):
    told: queue.Queue[str | None] = queue.Queue()
    monkeypatch.setattr(storage_check.conditions, "report", lambda name, *, subject, detail: told.put(detail))
    monkeypatch.setattr(storage_check, "SILENT_SECONDS", 0.01)
    monkeypatch.setattr(storage_check, "_last", None)
    monkeypatch.setattr(storage_check, "check", lambda: None)
    with storage_check._trying:
        checking = threading.Thread(target=storage_check._check_once)
        checking.start()
        assert told.get(timeout=30) == storage_check.SILENT
    checking.join()


def test_who_waits_for_a_check_only_so_long_is_told_that_nothing_came_back(media, monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(storage_check, "check", lambda: over.wait(30) and None)
    try:
        assert storage_check.check_within(0.01) == storage_check.SILENT
    finally:
        over.set()


def test_a_task_that_the_storage_fails_makes_the_check_come_sooner(consumer, driver: Driver, minimax, failing):
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.LOCATED)
    storage_check._doubted.clear()
    failing("write")

    driver.step(task_id)

    assert storage_check._doubted.is_set()
    assert Task.objects.get(pk=task_id).last_error_code == "storage_unavailable"


def test_what_a_killed_check_left_is_removed_after_a_while(media, monkeypatch):
    left = Path(media, "checks", "host-1-abc")
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x")

    storage_check.remove_leftovers()
    assert left.exists()

    monkeypatch.setattr(storage_check, "LEFT_OVER", -storage_check.LEFT_OVER)
    storage_check.remove_leftovers()
    assert not left.exists()
