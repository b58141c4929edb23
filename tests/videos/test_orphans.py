"""Files in the storage that no row names are found and removed, and no others."""

import os
import uuid
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command

from conduit import clock
from keys.models import AuditEntry
from tasks.models import Task
from tests.support.ending import end
from tests.support.finished_videos import finished_video
from videos import orphans, stored_folders
from videos.models import Clip, Video
from videos.sheet_models import Spritesheet
from videos.storage import folder
from videos.storage_models import StorageWalk

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

OLD = timedelta(days=30)


def stored(media, task_id, name, *, age=OLD):
    """A file of that age."""
    name = default_storage.save(f"{folder(task_id)}/{name}", ContentFile(b"x"))
    at = (clock.now() - age).timestamp()
    os.utime(media / name, (at, at))
    return name


def swept(media):
    """A completed task whose own sweep is over, with its files."""
    video = finished_video(b"mp4")
    video.file, video.thumbnail = (stored(media, video.pk, name) for name in ("video-1.mp4", "thumbnail-1.jpg"))
    video.swept_at = clock.now()
    video.save(update_fields=["file", "thumbnail", "swept_at"])
    return video


def there(media):
    return sorted(str(path.relative_to(media)) for path in (media / "tasks").rglob("*") if path.is_file())


def walk():
    """Once through everything."""
    for _ in range(20):
        orphans.go_on(clock.now())
        if StorageWalk.objects.order_by("-pk").first().ended_at:
            return
    raise AssertionError("the walk never ends")


def test_what_no_row_names_is_removed_and_the_result_stays(media):
    video = swept(media)
    sheet = stored(media, video.pk, "spritesheet-1.jpg")
    Spritesheet.objects.create(task=video.task, file=sheet, size_bytes=1)
    for name in ("clip-1.mp4", "video-2.mp4", "spritesheet-2.jpg"):
        stored(media, video.pk, name)

    walk()

    assert there(media) == sorted([video.file, video.thumbnail, sheet])
    assert orphans.last_walk().removed == 3


def test_what_is_young_or_of_a_task_that_is_not_done_with_stays(media, consumer):
    young = stored(media, swept(media).pk, "clip-1.mp4", age=timedelta(hours=1))
    under_way = stored(media, consumer.generate()["task_id"], "clip-1.mp4")
    unswept = swept(media)
    Video.objects.filter(pk=unswept.pk).update(swept_at=None)
    left = stored(media, unswept.pk, "clip-1.mp4")
    awaited = swept(media)
    Spritesheet.objects.create(task=awaited.task, due_at=clock.now())
    drawn = stored(media, awaited.pk, "spritesheet-1.jpg")

    walk()

    assert {young, under_way, left, drawn} <= set(there(media))


def test_a_clip_with_which_another_task_works_stays(media, consumer):
    over = swept(media)
    shared = stored(media, over.pk, "clip-1.mp4")
    retry = Task.objects.get(pk=consumer.generate()["task_id"])
    Clip.objects.create(
        video=retry.video,
        number=0,
        api="v1",
        upstream="video-01",
        cost=0,
        expected_seconds=1,
        file=shared,
        state="ready",
        provider_task_id="1",
    )  # fmt: skip

    walk()
    assert shared in there(media)
    end(retry.pk, "failed")
    Video.objects.filter(pk=retry.pk).update(swept_at=clock.now())
    StorageWalk.objects.all().delete()
    walk()
    assert shared not in there(media)


def test_of_a_task_that_delivered_nothing_not_even_the_folder_stays(media):
    video = swept(media)
    Video.objects.filter(pk=video.pk).update(file="", thumbnail="")

    walk()

    assert not (media / folder(video.pk)).exists()


def test_tasks_that_the_database_does_not_know_are_told_and_removed_by_an_operator_alone(media):
    kept, unknown, young, foreign = swept(media), uuid.uuid4(), uuid.uuid4(), Path("tasks/of-somebody-else/file")
    stored(media, unknown, "video-1.mp4")
    stored(media, young, "video-1.mp4", age=timedelta(days=2))
    default_storage.save(str(foreign), ContentFile(b"x"))

    walk()
    assert orphans.last_walk().unknown == 2
    assert len(there(media)) == 5

    said = StringIO()
    call_command("remove_orphans", "--unknown", "--dry-run", stdout=said)
    assert len(there(media)) == 5
    call_command("remove_orphans", "--unknown", stdout=said)

    assert there(media) == sorted([kept.file, kept.thumbnail, f"{folder(young)}/video-1.mp4", str(foreign)])
    assert "1 files were removed." in said.getvalue()
    assert AuditEntry.objects.filter(action="remove_orphans").count() == 1


def test_a_walk_goes_on_where_the_last_piece_ended_and_rests_at_its_end(media, monkeypatch, time_travel):
    monkeypatch.setattr(orphans, "FOLDERS", 2)
    lost = [stored(media, swept(media).pk, "clip-1.mp4") for _ in range(5)]

    orphans.go_on(clock.now())
    assert [name in there(media) for name in lost] == [False, False, True, True, True]
    walk()
    assert not set(lost) & set(there(media))
    late = stored(media, swept(media).pk, "clip-1.mp4")
    orphans.go_on(clock.now())
    assert late in there(media)
    time_travel.move_to(clock.now())
    time_travel.shift(orphans.PAUSE.total_seconds() + 1)
    walk()
    assert late not in there(media)
    assert StorageWalk.objects.count() == 2


def test_where_nothing_was_stored_yet_a_walk_finds_nothing(media):
    walk()

    assert (orphans.last_walk().removed, orphans.last_walk().unknown) == (0, 0)
    assert list(stored_folders.after(default_storage, "", 10)) == []
