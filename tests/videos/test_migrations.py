"""A database of the time before plans is brought forward with what it holds."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from conduit import clock
from tests.support.other_databases import empty_database
from videos.models import Clip, Video, VideoModel
from videos.native_formats import read_native_formats
from videos.planning import Plan, plan

# Migrating back and forth takes long, and nothing of it changes any more: each run migrates an empty database anyway.
pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.sqlite, pytest.mark.soak]

BEFORE = [("videos", "0003_learned_times")]
SUBMITTED = {"sent_at": clock.now(), "submitted_at": clock.now(), "provider_task_id": "7"}


def migrate(targets):
    """To these migrations; gives the models as they are there."""
    executor = MigrationExecutor(connection)
    executor.migrate(targets)
    return MigrationExecutor(connection).loader.project_state(targets).apps


def to_the_newest():
    executor = MigrationExecutor(connection)
    migrate(executor.loader.graph.leaf_nodes())


class Old:
    """Writes rows as they were."""

    def __init__(self, apps):
        self._model = apps.get_model
        self._key = self._model("keys", "VirtualKey").objects.create(name="old")

    def model(self, **fields):
        defaults = {"typical_seconds": 60, "base_price": 1, "prompt_limit": 2000}
        model = self._model("videos", "VideoModel").objects.create(**defaults | fields)
        model.factors.create(resolution="1280x720", factor=1)

    def video(self, status, *clips, upstream="video-01", native=("720P", 6), sends_size=False):
        ended = status in ("completed", "failed", "cancelled")
        task = self._model("tasks", "Task").objects.create(
            key=self._key,
            kind="video_generation",
            model="minimax-video",
            status=status,
            stage=status,
            progress=100 if status == "completed" else 0,
            price=Decimal("0.2"),
            charged=0 if ended else None,
            error="It failed." if status == "failed" else "",
            error_code="provider_error" if status == "failed" else "",
            next_step_at=None if ended else clock.now() + timedelta(days=1),
            ended_at=clock.now() if ended else None,
        )
        video = self._model("videos", "Video").objects.create(
            task=task,
            prompt="a cat",
            duration=10,
            resolution="1080x1920",
            aspect_ratio="9:16",
            upstream=upstream,
            native_resolution=native[0],
            native_seconds=native[1],
            sends_size=sends_size,
            expected_seconds=160.5,
        )
        for clip in clips:
            video.clips.create(number=0, **clip)
        return task.pk


@pytest.fixture
def old(tmp_path):
    with empty_database(tmp_path):
        yield Old(migrate(BEFORE))


def test_what_an_old_database_holds_is_brought_forward_however_much_it_is(old, monkeypatch):
    """All in one database: bringing one forward takes seconds of processors."""
    monkeypatch.setattr("videos.migrations.0004_plans.BATCH", 2)  # fewer than there are videos
    made_of_a_clip = old.video("processing", {"state": "submitted", **SUBMITTED})
    cases = [
        ("queued", {"state": "planned"}, "0"),
        ("queued", {"state": "submitting", "sent_at": clock.now()}, "0"),
        ("processing", {"state": "submitted", **SUBMITTED}, "0.43"),
        ("completed", {"state": "stored", "file": "results/x/clip", **SUBMITTED}, "0.43"),
        ("failed", {"state": "submitted", **SUBMITTED}, "0"),
        ("failed", {"state": "made", **SUBMITTED}, "0.43"),
        ("cancelled", {"state": "submitted", **SUBMITTED}, "0.43"),
    ]
    before = {old.video(status, clip): (clip, billed) for status, clip, billed in cases}
    sizes = {"768P": (1366, 768), "1080P": (1920, 1080)}
    natives = [{"resolution": name, "width": w, "height": h, "durations": [6]} for name, (w, h) in sizes.items()]
    old.model(name="fast", upstream="MiniMax-Hailuo-2.3-Fast", natives=natives)
    old.model(name="unheard", upstream="unheard", natives=[natives[0] | {"durations": [5, 8]}])
    of_an_unheard_model = old.video("queued", upstream="unheard", native=("768P", 8), sends_size=True)

    to_the_newest()

    _the_video_has_a_plan_of_the_clip_that_it_was_made_of(Video.objects.get(pk=made_of_a_clip))
    for task_id, (clip, billed) in before.items():
        _the_clip_says_what_was_asked_for_and_what_it_cost(Clip.objects.get(video=task_id), clip, billed)
    assert [Plan.from_json(video.plan).seconds for video in Video.objects.filter(pk__in=before)] == [6] * len(cases)
    _the_models_that_there_were_are_read_by_the_planning(*(VideoModel.objects.get(name=name) for name in ("fast", "unheard", "video-01")))
    stored = Plan.from_json(Video.objects.get(pk=of_an_unheard_model).plan)
    assert (stored.width, stored.height, stored.fps, stored.another()) == (1366, 768, 24, None)


def _the_video_has_a_plan_of_the_clip_that_it_was_made_of(video):
    found = Plan.from_json(video.plan)
    [clip] = found.clips
    assert (video.upstream, video.duration, video.source_clips, video.speed) == ("video-01", 10, None, None)
    assert (found.width, found.height, found.fps, found.cost, found.seconds) == (1280, 720, 25.0, Decimal("0.43"), 6)
    assert (clip.makes, clip.start, clip.api, clip.upstream, clip.resolution, clip.ratio) == ("video", "text", "v1", "video-01", "720P", "")
    assert (clip.sends_size, clip.expected_seconds) == (False, 160.5)
    # Ten seconds were asked for: what is missing is bought from the sibling.
    assert (found.another().upstream, found.another().start, found.another().seconds) == ("I2V-01", "previous", 6)


def _the_clip_says_what_was_asked_for_and_what_it_cost(found, before, billed):
    assert found.billed == Decimal(billed), before
    assert (found.state, found.provider_task_id, found.file) == (
        before["state"], before.get("provider_task_id", ""), before.get("file", ""),
    )  # fmt: skip
    assert (found.makes, found.start, found.api, found.upstream, found.seconds, found.resolution, found.sends_size) == (
        "video", "text", "v1", "video-01", 6, "720P", False,
    )  # fmt: skip
    assert (found.cost, found.expected_seconds) == (Decimal("0.43"), 160.5)
    assert (found.taken_from, found.width, found.frames, found.last_frame) == (None, None, None, "")


def _the_models_that_there_were_are_read_by_the_planning(fast, unheard, contract):
    assert [(native.resolution, native.fps, native.clips, native.needs_frame) for native in read_native_formats(fast.natives)] == [
        ("768P", 24, ((6, Decimal("0.19")),), True),
        ("1080P", 24, ((6, Decimal("0.33")),), True),
    ]
    assert fast.upstream_with_frame == "MiniMax-Hailuo-2.3-Fast"
    assert dict(read_native_formats(unheard.natives)[0].clips) == {5: 0, 8: 0}  # nobody wrote down what they cost
    assert (unheard.api, unheard.upstream_with_frame, unheard.least_seconds) == ("v1", "", 1)
    assert (contract.upstream_with_frame, contract.base_price, contract.least_seconds) == ("I2V-01", Decimal("0.2"), 1)
    for model in (fast, unheard, contract):
        model.full_clean()
        plan(model, duration=5, resolution="1280x720", expected=lambda seconds, resolution: 1.0)


def test_a_name_that_an_administrator_took_is_left_to_them(old):
    natives = [{"resolution": "768P", "width": 1366, "height": 768, "durations": [6]}]
    old.model(name="ours", aliases=["minimax-h3"], upstream="MiniMax-Hailuo-02", natives=natives)

    to_the_newest()

    shipped = {"video-01", "minimax-hailuo-02", "minimax-hailuo-2.3", "minimax-h3-max"}
    assert set(VideoModel.objects.values_list("name", flat=True)) == {"ours", *shipped}
