"""The spritesheet of a result: made of the video when it is first asked for, then kept and deleted with it."""

from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from conduit import clock
from tasks.models import Task
from tests.support.finished_videos import finished_video
from tests.support.real_clips import Clip, write
from videos import cleanup, rendering, retention, sheets
from videos.media.errors import Harm, MediaError, ReaderStopped
from videos.models import Video
from videos.sheet_models import TRIES_MAX, Spritesheet
from videos.storage import files_in, folder

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


@pytest.fixture
def video(consumer, media, tmp_path):
    """A completed one of the consumer's, of 25 real pictures."""
    video = finished_video(write(tmp_path / "clip.mp4", Clip(frames=25)).read_bytes())
    Task.objects.update(key=consumer.key)
    for name in ("file", "thumbnail"):  # where its task's files are
        with default_storage.open(getattr(video, name)) as file:
            setattr(video, name, default_storage.save(f"{folder(video.pk)}/{name}-0123", ContentFile(file.read())))
    video.save(update_fields=["file", "thumbnail"])
    return video


def asked(consumer, video):
    return consumer.get(f"/v1/videos/{video.pk}/content?variant=spritesheet")


def test_it_is_made_when_it_was_asked_for_and_given_from_then_on(consumer, video):
    first = asked(consumer, video)
    assert (first.status_code, first.json()["error"]["code"]) == (409, "spritesheet_under_way")
    # With these its clients ask again by themselves.
    assert (first.headers["Retry-After"], "x-should-retry" in first.headers) == ("2", False)

    sheets.make_next()

    second = asked(consumer, video)
    content = b"".join(second.streaming_content)
    assert (second.status_code, second.headers["Content-Type"], content[:3]) == (200, "image/jpeg", b"\xff\xd8\xff")
    assert "conduit-" in second.headers["Content-Disposition"]
    part = consumer.get(f"/v1/videos/{video.pk}/content?variant=spritesheet", Range="bytes=0-2")
    assert (part.status_code, b"".join(part.streaming_content)) == (206, content[:3])


def test_it_stays_when_what_else_was_left_is_swept_and_goes_with_the_result(consumer, video):
    asked(consumer, video)
    cleanup.remove_leftovers()
    assert Video.objects.get().swept_at is None  # its file may be stored, and not be named yet
    sheets.make_next()
    cleanup.remove_leftovers()
    sheet = Spritesheet.objects.get().file
    assert sheet in files_in(folder(video.pk))

    consumer.delete(f"/v1/tasks/{video.pk}/media")
    cleanup.remove_leftovers()

    assert files_in(folder(video.pk)) == []
    assert asked(consumer, video).json()["error"]["code"] == "media_deleted"
    assert not Spritesheet.objects.exists()


def test_it_ends_with_a_result_that_was_kept_long_enough(consumer, video):
    asked(consumer, video)
    sheets.make_next()
    Task.objects.update(results_end_at=clock.now())

    retention.forget_old(clock.now())
    cleanup.remove_leftovers()

    assert files_in(folder(video.pk)) == []
    assert not Spritesheet.objects.exists()


def test_one_that_is_made_while_its_video_is_deleted_is_not_kept(consumer, video, monkeypatch):
    asked(consumer, video)
    draw = rendering.render_sheet

    def deleted_meanwhile(**named):
        found = draw(**named)
        consumer.delete(f"/v1/tasks/{video.pk}/media")
        return found

    monkeypatch.setattr(rendering, "render_sheet", deleted_meanwhile)
    sheets.make_next()

    cleanup.remove_leftovers()
    assert files_in(folder(video.pk)) == []
    assert not Spritesheet.objects.exists()


def test_of_a_maker_that_was_killed_another_takes_over_and_what_it_stored_is_not_kept(consumer, video, monkeypatch, time_travel):
    asked(consumer, video)
    stray = default_storage.save(f"{folder(video.pk)}/spritesheet-0.jpg", ContentFile(b"half"))
    monkeypatch.setattr(rendering, "render_sheet", lambda **named: exit(1))
    with pytest.raises(SystemExit):
        sheets.make_next()
    monkeypatch.undo()

    sheets.make_next()
    assert Spritesheet.objects.get().file == ""  # the first may still be at it
    time_travel.move_to(clock.now())
    time_travel.shift(sheets.LEASE.total_seconds() + 1)
    sheets.make_next()
    cleanup.remove_leftovers()

    assert sorted(files_in(folder(video.pk))) == sorted([video.file, video.thumbnail, Spritesheet.objects.get().file])
    assert stray not in files_in(folder(video.pk))


@pytest.mark.parametrize(
    ("error", "given_up_after"),
    [
        (MediaError("It is damaged."), 1),
        (FileNotFoundError("It is gone."), 1),
        (MediaError("It killed its reader.", Harm.CRASH), TRIES_MAX),
        (ReaderStopped("The machine is busy."), TRIES_MAX),
        (OSError("The disk is full."), None),
    ],
    ids=["damaged", "gone", "deadly", "busy", "a storage that is away"],
)
def test_it_is_tried_again_where_that_may_help_and_else_given_up(consumer, video, monkeypatch, time_travel, error, given_up_after):
    def fail(**named):
        raise error

    time_travel.move_to(clock.now())
    monkeypatch.setattr(rendering, "render_sheet", fail)
    tries = 0
    while tries < 2 * TRIES_MAX and (answer := asked(consumer, video)).status_code == 409:
        sheets.make_next()
        time_travel.shift(timedelta(hours=1).total_seconds())
        tries += 1

    assert tries == (given_up_after or 2 * TRIES_MAX)
    if given_up_after:
        assert (answer.status_code, answer.json()["error"]["message"]) == (404, "This video's spritesheet could not be made.")


def test_no_keys_many_keep_anothers_waiting_for_ever(consumer, make_consumer, media, monkeypatch):
    many = [finished_video(b"mp4") for _ in range(10)]
    Task.objects.update(key=consumer.key)
    one = finished_video(b"mp4")
    for video in [*many, one]:
        sheets.ask_for(video)
    made = []
    monkeypatch.setattr(rendering, "render_sheet", lambda **named: made.append(named["task_id"]) or (f"tasks/{named['task_id']}/sheet", 1))
    monkeypatch.setattr("random.choice", lambda keys: keys[len(made) % len(keys)])

    for _ in range(3):
        sheets.make_next()

    assert one.pk in made


def test_anothers_video_has_none(consumer, make_consumer, video):
    assert asked(make_consumer("other"), video).status_code == 404
    assert not Spritesheet.objects.exists()
