"""POST /v1/video/generations"""

import re
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tasks.models import Task, TaskEvent
from tests.support.envelopes import refused
from videos.catalogue import learn
from videos.models import Timing, Video, VideoModel

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


def test_creating_costs_at_most_eleven_queries_in_one_transaction(consumer):
    with CaptureQueriesContext(connection) as queries:
        consumer.generate(metadata={"order": "7"})

    statements = [query["sql"] for query in queries]
    assert len([sql for sql in statements if "SAVEPOINT" not in sql]) <= 9  # BEGIN and COMMIT make it eleven
    writes = [number for number, sql in enumerate(statements) if sql.startswith(("INSERT", "UPDATE"))]
    [begin] = [number for number, sql in enumerate(statements) if sql.startswith("SAVEPOINT")]
    [commit] = [number for number, sql in enumerate(statements) if sql.startswith("RELEASE SAVEPOINT")]
    assert begin < min(writes)
    assert max(writes) < commit


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_creating_is_one_transaction_and_at_most_eleven_queries_with_it(consumer):
    with CaptureQueriesContext(connection) as queries:
        consumer.generate()

    statements = [query["sql"] for query in queries]
    assert len(statements) <= 11
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
    model = VideoModel.objects.get()
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

    assert first > 100
    assert 40 <= consumer.generate()["eta_seconds"] <= 44


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_hint_that_crashes_after_the_commit_is_still_a_202(consumer, monkeypatch):
    def crash(*args, **kwargs):
        raise RuntimeError("no broker today")

    monkeypatch.setattr("tasks.dispatch.hint", crash)

    assert consumer.post(PATH, GOOD).status_code == 202
    assert Task.objects.count() == 1
