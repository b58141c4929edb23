"""POST /v1/video/generations"""

import re
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tasks.models import Task, TaskEvent
from tests.settings import ON_SQLITE
from tests.support.envelopes import refused
from videos import kept_catalogue
from videos.catalogue import learn
from videos.exchange_models import Timing
from videos.kept_catalogue import IMAGE_SECONDS
from videos.models import Video, VideoModel
from videos.planning import Plan

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

PATH = "/v1/video/generations"
GOOD = {"model": "minimax-video", "prompt": "a cat"}


def test_a_generation_is_accepted_as_a_queued_task_with_its_place(consumer, ledger):
    answer = consumer.post(PATH, GOOD)

    task = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/tasks/{task['task_id']}"
    assert consumer.get(answer.headers["Location"]).status_code == 200
    assert (task["status"], task["model"], task["prompt"]) == ("queued", "minimax-video", "a cat")
    assert (task["duration"], task["resolution"], task["aspect_ratio"], task["metadata"]) == (6, "1280x720", "16:9", {})
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", task["task_id"])
    assert ledger(task["task_id"]) == [("hold", Decimal("0.2"))]
    assert [event.status for event in TaskEvent.objects.all()] == ["queued"]


def test_everything_that_was_asked_for_is_kept(consumer):
    wanted = {
        "model": "video-01",
        "prompt": "  A cat\non a \u201cbicycle\u201d \U0001f408 ",
        "duration": 10,
        "resolution": "1080x1920",
        "aspect_ratio": "9:16",
        "metadata": {"order": "7", "\u732b": ""},
    }

    task = consumer.post(PATH, wanted).json()

    assert {name: task[name] for name in wanted} == wanted
    assert consumer.task(task["task_id"])["prompt"] == wanted["prompt"]


def test_the_plan_of_a_video_is_made_and_stored_with_it(consumer):
    task_id = consumer.generate(duration=17, resolution="1080x1920")["task_id"]

    video = Video.objects.get(pk=task_id)
    found = Plan.from_json(video.plan)
    assert [(clip.upstream, clip.seconds) for clip in found.clips] == [("image-01", 0), ("I2V-01", 6), ("I2V-01", 6), ("I2V-01", 6)]
    assert video.upstream == "video-01"
    assert video.clips.count() == 0  # their rows are the engine's to write


@pytest.mark.parametrize("model", ["minimax-video", "minimax-hailuo-02", "minimax-hailuo-2.3", "minimax-h3", "minimax-h3-max"])
@pytest.mark.parametrize("resolution", ["720x480", "1080x1920"])
def test_every_shipped_model_takes_every_length(consumer, model, resolution):
    for duration in (1, 17, 60):
        assert consumer.generate(model=model, resolution=resolution, duration=duration)["duration"] == duration


@pytest.mark.parametrize("wanted", [{}, {"duration": 60, "resolution": "1080x1920"}])
def test_creating_costs_at_most_ten_queries_in_one_transaction(consumer, wanted):
    consumer.generate()  # the catalogue is kept from now on

    with CaptureQueriesContext(connection) as queries:
        consumer.generate(metadata={"order": "7"}, **wanted)

    statements = [query["sql"] for query in queries]
    # BEGIN and COMMIT make it ten. SQLite has no version of the catalogue, and reads it.
    assert len([sql for sql in statements if "SAVEPOINT" not in sql]) <= (10 if ON_SQLITE else 8)
    writes = [number for number, sql in enumerate(statements) if sql.startswith(("INSERT", "UPDATE"))]
    [begin] = [number for number, sql in enumerate(statements) if sql.startswith("SAVEPOINT")]
    [commit] = [number for number, sql in enumerate(statements) if sql.startswith("RELEASE SAVEPOINT")]
    assert begin < min(writes)
    assert max(writes) < commit


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_creating_is_one_transaction_and_at_most_ten_queries_with_it(consumer):
    consumer.generate()

    with CaptureQueriesContext(connection) as queries:
        consumer.generate()

    statements = [query["sql"] for query in queries]
    assert len(statements) <= (12 if ON_SQLITE else 10)
    assert len([sql for sql in statements if sql.startswith("BEGIN")]) == 1
    assert statements[-1] == "COMMIT"


def test_a_refused_request_leaves_nothing_behind(consumer):
    refused(consumer.post(PATH, GOOD | {"duration": 61}), 400, "invalid_request", "duration")

    assert (Task.objects.count(), Video.objects.count(), TaskEvent.objects.count()) == (0, 0, 0)


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        ({"model": "minimax-video"}, "prompt"),
        ({"prompt": "a cat"}, "model"),
        ({}, "model"),
        (GOOD | {"duration": "six"}, "duration"),
        (GOOD | {"resolution": "1x1"}, "resolution"),
        (GOOD | {"aspect_ratio": "1:1"}, "aspect_ratio"),
        (GOOD | {"metadata": []}, "metadata"),
        (GOOD | {"seed": 7}, "seed"),
        (GOOD | {"prompt": "x" * 2001}, "prompt"),
    ],
)
def test_a_bad_parameter_is_named(consumer, wanted, param):
    assert f"`{param}`" in refused(consumer.post(PATH, wanted), 400, "invalid_request", param)


@pytest.mark.parametrize("model", ["unknown", "MINIMAX-VIDEO", "minimax-video ", "video-01\u200b", "x" * 5000, "\U0001f408"])
def test_a_model_that_there_is_not_is_404(consumer, model):
    refused(consumer.post(PATH, GOOD | {"model": model}), 404, "model_not_found", "model")


def test_a_disabled_model_is_404_under_each_of_its_names(consumer):
    VideoModel.objects.update(enabled=False)

    for model in ("minimax-video", "video-01"):
        refused(consumer.post(PATH, GOOD | {"model": model}), 404, "model_not_found", "model")


def test_a_prompt_as_long_as_the_model_takes_is_accepted(consumer):
    assert consumer.post(PATH, GOOD | {"prompt": "\U0001f408" * 2000}).status_code == 202


def test_a_model_with_a_longer_prompt_takes_it(consumer):
    VideoModel.objects.update(prompt_limit=7000)

    assert consumer.post(PATH, GOOD | {"prompt": "x" * 7000}).status_code == 202
    assert "7000" in refused(consumer.post(PATH, GOOD | {"prompt": "x" * 7001}), 400, "invalid_request", "prompt")


def test_an_alias_costs_what_its_model_costs(consumer):
    prices = {consumer.generate(model=name)["cost"]["estimated"] for name in ("minimax-video", "video-01")}

    assert prices == {"0.2000"}


def test_a_change_of_prices_does_not_touch_tasks_that_there_are(consumer, ledger):
    before = consumer.generate()
    model = VideoModel.objects.get(name="video-01")
    model.base_price = Decimal("9.0000")
    model.save(update_fields=["base_price"])

    after = consumer.generate()

    assert consumer.task(before["task_id"])["cost"] == before["cost"]
    assert ledger(before["task_id"]) == [("hold", Decimal("0.2"))]
    assert after["cost"]["estimated"] == "9.0000"


def test_two_posts_are_two_tasks(consumer):
    assert consumer.generate()["task_id"] != consumer.generate()["task_id"]


def test_the_time_left_comes_from_what_such_videos_took_lately(consumer):
    first = consumer.generate()["eta_seconds"]
    for made_in in (20.0, 40.0, 400.0):
        Timing.objects.create(upstream="video-01", seconds=6, resolution="720P", made_in=made_in, delivered_in=2.0)
    learn(upstream="video-01", seconds=6, resolution="720P")
    kept_catalogue.forget()

    assert first > 100
    assert 40 <= consumer.generate()["eta_seconds"] <= 44


def test_a_model_learns_from_the_sibling_that_goes_on_from_its_clips(consumer):
    Timing.objects.create(upstream="I2V-01", seconds=6, resolution="720P", made_in=30.0, delivered_in=2.0)
    learn(upstream="I2V-01", seconds=6, resolution="720P")

    assert VideoModel.objects.get(name="video-01").learned == {"720P 6": [30.0, 2.0]}
    assert VideoModel.objects.exclude(name="video-01").exclude(learned={}).count() == 0


def test_the_time_left_is_that_of_all_clips_one_after_the_other(consumer, settings):
    settings.MINIMAX_TIME_SCALE = 1
    for made_in in (20.0, 40.0, 400.0):
        Timing.objects.create(upstream="video-01", seconds=6, resolution="720P", made_in=made_in, delivered_in=2.0)
    learn(upstream="video-01", seconds=6, resolution="720P")

    landscape, portrait = (consumer.generate(duration=17, resolution=size)["eta_seconds"] for size in ("1280x720", "720x1280"))

    assert 3 * 42 <= landscape <= 3 * 42 + 2
    assert portrait - landscape == IMAGE_SECONDS


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_hint_that_crashes_after_the_commit_is_still_a_202(consumer, monkeypatch):
    def crash(*args, **kwargs):
        raise RuntimeError("no broker today")

    monkeypatch.setattr("tasks.dispatch.hint_soon", crash)

    assert consumer.post(PATH, GOOD).status_code == 202
    assert Task.objects.count() == 1
