"""What was said to MiniMax is kept with what came of it: each create, each error, what changed something, and the newest query."""

import json
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.db.utils import OperationalError
from django.test.utils import CaptureQueriesContext

from conduit import batches, clock
from tasks import lifecycle
from tasks.models import Task
from tests.support.lookalike import Answer
from tests.support.marks import SOAK_ON_SQLITE
from videos import exchanges, provider_cancellation
from videos.accounts.calling import provider_for
from videos.exchange_models import Exchange
from videos.minimax.exchanges import BODY_MAX, body
from videos.models import Clip, ClipState

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite, *SOAK_ON_SQLITE]


def told(task_id, *columns):
    return list(Exchange.objects.filter(video_id=task_id).order_by("first_at", "id").values_list(*columns, flat=len(columns) == 1))


def test_a_job_that_runs_smoothly_has_a_row_for_each_thing_that_changed(consumer, driver, minimax):
    minimax.statuses = ["Preparing", *["Processing"] * 7, "Success"]
    task_id = consumer.generate()["task_id"]

    driver.finish(task_id)

    assert told(task_id, "call", "method", "http", "code", "status", "count", "is_error") == [
        ("create", "POST", 200, 0, "", 1, False),
        ("query", "GET", 200, 0, "preparing", 1, False),
        ("query", "GET", 200, 0, "processing", 1, False),
        ("query", "GET", 200, 0, "success", 1, False),
        ("retrieve", "GET", 200, 0, "", 1, False),
        ("download", "GET", 200, None, "", 1, False),
    ]
    job = Clip.objects.get(video_id=task_id).provider_task_id
    assert told(task_id, "path")[:2] == ["/v1/video_generation", f"/v1/query/video_generation?task_id={job}"]
    assert set(told(task_id, "clip_number")) == {0}
    # Each with the id that MiniMax's support asks for: of queries that were answered alike the first one's.
    assert told(task_id, "trace_id")[:4] == ["trace-1", "trace-2", "trace-3", "trace-10"]


def test_a_query_that_changed_nothing_leaves_no_line_and_costs_no_statement_for_one(consumer, driver, minimax):
    minimax.always("query", Answer(status="Processing"))
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.SUBMITTED)
    driver.step(task_id)
    before = Exchange.objects.filter(video_id=task_id).order_by("id").values()
    lines = list(before)

    with CaptureQueriesContext(connection) as asked:
        driver.step(task_id)

    assert list(before.all()) == lines
    assert not [query for query in asked if Exchange._meta.db_table in query["sql"]]


def test_a_query_that_tells_what_was_told_before_the_last_is_added_to_its_line(consumer, driver, minimax, time_travel):
    time_travel.move_to(clock.now())
    minimax.statuses = ["Queueing", "Processing"] * 3
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.SUBMITTED)
    began = clock.now()
    for _ in range(4):
        driver.step(task_id)
        time_travel.shift(timedelta(seconds=10))

    row = Exchange.objects.get(video_id=task_id, call="query", status="queueing")

    assert row.count == 2
    assert abs(row.first_at - began) < timedelta(seconds=5)
    assert abs(row.last_at - row.first_at - timedelta(seconds=20)) < timedelta(seconds=5)


def test_each_error_is_a_row_with_minimax_s_code_and_words(consumer, driver, minimax):
    minimax.next("create", Answer(code=1002, message="slow down"), Answer(code=1002, message="slow down"))
    minimax.next("query", Answer(code=1000, message="internal"), Answer(http=500, body=b"<html>"), Answer(cut_after=0))
    task_id = consumer.generate()["task_id"]

    driver.finish(task_id)

    errors = Exchange.objects.filter(video_id=task_id, is_error=True).order_by("first_at", "id")
    assert list(errors.values_list("call", "http", "code", "message", "count")) == [
        ("create", 200, 1002, "slow down", 1),
        ("create", 200, 1002, "slow down", 1),
        ("query", 200, 1000, "internal", 1),
        ("query", 500, None, "", 1),
        ("query", None, None, "ConnectionError", 1),
    ]
    assert Exchange.objects.filter(video_id=task_id, call="create").count() == 3


def test_a_failed_task_keeps_the_verdict(consumer, driver, minimax):
    minimax.always("query", Answer(status="Fail", code=1027, message="output refused"))
    task_id = consumer.generate()["task_id"]

    assert driver.finish(task_id).status == "failed"

    assert told(task_id, "call", "code", "status", "message")[-1] == ("query", 1027, "fail", "output refused")


def test_a_download_that_broke_off_is_an_error(consumer, driver, minimax):
    minimax.next("download", Answer(cut_after=500), Answer(http=403, body=b"expired"))
    task_id = consumer.generate()["task_id"]

    driver.finish(task_id)

    downloads = [row for row in told(task_id, "call", "http", "is_error") if row[0] == "download"]
    assert downloads == [("download", 200, True), ("download", 403, True), ("download", 200, False)]


def test_nothing_secret_is_kept(consumer, driver, minimax):
    link = "https://files.example/clip.mp4?Expires=1&OSSAccessKeyId=abcdefgh&Signature=s3cr3t-signature"
    repeated = f"refused: Bearer {minimax.key} data:image/png;base64,AAAA{'B' * 400} {link} a very private prompt " + "x" * 5000
    minimax.next("create", Answer(code=1000, message=repeated), Answer(code=1000, message=f"key {minimax.key}"))
    task_id = consumer.generate("a very private prompt")["task_id"]

    driver.finish(task_id)

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {Exchange._meta.db_table}")
        stored = str(cursor.fetchall())
    for secret in (minimax.key, "s3cr3t", "Signature=", "BBBB"):
        assert secret not in stored
    assert max(map(len, told(task_id, "message"))) <= 300
    # Of a download the host and the path, without what was signed.
    (path,) = (path for path in told(task_id, "path") if path.startswith("http"))
    assert path.startswith(minimax.files_url)
    assert "?" not in path


@pytest.mark.parametrize(
    "answer",
    [
        Answer(code=1000, message="\0 \ud800 \x1b[31m \u202e"),
        Answer(code=1000, message="http://" * 100_000),
        Answer(code=10**30, message="too large"),
        Answer(status="Processing\0" + "x" * 5000),
        Answer(code=1000, headers={"Trace-Id": "t" * 5000}),
        Answer(body=b'{"status": ' + b"[" * 10_000),
    ],
)
def test_no_answer_is_too_strange_to_be_kept(consumer, driver, minimax, answer):
    minimax.next("query", answer)
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.SUBMITTED)

    driver.step(task_id)

    assert len(told(task_id, "id")) == 2
    driver.until(task_id, ClipState.MADE)


def test_a_create_is_kept_with_what_was_asked_and_answered_but_for_the_prompt(consumer, driver, minimax):
    task_id = consumer.generate("a very private prompt", duration=12)["task_id"]

    driver.finish(task_id)

    first, second = Exchange.objects.filter(video_id=task_id, call="create").order_by("first_at", "id")
    assert json.loads(first.request) == {"model": "video-01", "prompt": "*** (21 characters)", "prompt_optimizer": False}
    job = Clip.objects.get(video_id=task_id, number=0).provider_task_id
    assert str(json.loads(first.answer)["task_id"]) == job
    assert json.loads(first.answer)["base_resp"]["status_code"] == 0
    # The frame that it goes on from is megabytes of data.
    assert json.loads(second.request)["first_frame_image"].startswith("data:image/")
    assert "***" in json.loads(second.request)["first_frame_image"]
    assert len(second.request) < 300
    (link,) = {json.loads(row.answer)["file"]["download_url"] for row in Exchange.objects.filter(call="retrieve")[:1]}
    assert "?" not in link or link.endswith("?***")


def test_an_error_is_kept_with_the_body_that_told_it(consumer, driver, minimax):
    minimax.next("query", Answer(http=502, body=b"<html>bad gateway</html>"), Answer(code=1000, message="internal"))
    task_id = consumer.generate()["task_id"]

    driver.finish(task_id)

    page, error = Exchange.objects.filter(video_id=task_id, is_error=True).order_by("first_at", "id").values_list("answer", flat=True)
    assert page == "<html>bad gateway</html>"
    assert json.loads(error)["base_resp"] == {"status_code": 1000, "status_msg": "internal"}


def test_bodies_are_bounded_and_hold_no_prompt_data_or_secret():
    strange = {
        "content": [{"type": "text", "text": "private " * 500}, {"image_url": {"url": "data:image/png;base64," + "A" * 10**6}}],
        "image_base64": ["B" * 10**6],
        "items": [{"n": number} for number in range(1000)],
        "link": "https://files.example/a.mp4?Signature=s3cr3t",
        "said": "key sk-1 Bearer abcdefghijkl",
        "deep": {"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}},
        "control": "\0\x1b[31m",
    } | {f"more {number}": "x " * 90 for number in range(100)}

    told = body(strange, secret="sk-1")

    assert len(told) == BODY_MAX
    for gone in ("private", "AAAA", "BBBB", "s3cr3t", "sk-1", "abcdefghijkl", "\0", "\x1b", '"f"'):
        assert gone not in told
    assert "… 995 more" in told
    assert (body(None), body({}), body(""), body("<html>")) == ("", "", "", "<html>")


def test_the_moments_of_a_life_are_kept(consumer, driver, minimax):
    task_id = consumer.generate(model="video-01", duration=6, resolution="1280x720")["task_id"]

    task = driver.finish(task_id)

    (clip,) = task.video.clips.all()
    moments = [task.created_at, clip.sent_at, clip.submitted_at, clip.made_at, clip.fetched_at, clip.ready_at]
    moments += [task.video.assembling_at, task.video.assembled_at, task.ended_at]
    assert moments == sorted(moments)


def test_what_led_to_an_outcome_that_was_not_written_is_not_kept_either(consumer, driver, minimax, monkeypatch):
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.SUBMITTED)
    before = told(task_id, "id")
    monkeypatch.setattr("videos.engine.polling.provider_for", lambda clip: _Cancelling(task_id, provider_for(clip)))

    driver.step(task_id)

    assert Task.objects.get(pk=task_id).status == "cancelled"
    assert told(task_id, "id") == before


class _Cancelling:
    """A provider during whose query the task is cancelled."""

    def __init__(self, task_id, provider):
        self.task_id, self.provider = task_id, provider

    def query(self, provider_task_id):
        state = self.provider.query(provider_task_id)
        lifecycle.cancel(Task.objects.get(pk=self.task_id))
        return state


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_an_outcome_that_is_written_at_the_second_try_keeps_what_was_said_once(consumer, driver, minimax, monkeypatch):
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.SUBMITTED)
    record, failures = exchanges.record, iter([OperationalError("the database is away")])

    def failing(*said):
        record(*said)
        if error := next(failures, None):
            raise error

    monkeypatch.setattr("videos.engine.step.exchanges.record", failing)
    driver.step(task_id)
    driver.step(task_id)

    assert told(task_id, "call", "status", "count")[1:] == [("query", "preparing", 1), ("query", "queueing", 1)]


def test_what_minimax_was_asked_for_a_cancelled_job_is_kept(consumer, driver, minimax):
    task_id = consumer.generate(model="minimax-h3", duration=4)["task_id"]
    driver.until(task_id, ClipState.SUBMITTED)
    consumer.delete(f"/v1/video/generations/{task_id}")

    provider_cancellation.cancel_jobs(UUID(task_id))

    calls = told(task_id, "call", "method")
    assert calls[0] == ("create", "POST")
    assert ("cancel", "DELETE") in calls


def test_old_exchanges_are_forgotten_in_batches_and_newer_ones_kept(consumer, driver, minimax, settings, monkeypatch):
    monkeypatch.setattr(batches, "BATCH", 2)
    task_id = consumer.generate()["task_id"]
    driver.finish(task_id)
    kept = told(task_id, "id")[-1]
    Exchange.objects.exclude(pk=kept).update(first_at=clock.now() - timedelta(days=settings.EXCHANGES_KEPT_DAYS, seconds=1))
    old = Exchange.objects.count() - 1
    assert old > 4

    assert exchanges.forget_old(clock.now()) == old
    assert told(task_id, "id") == [kept]
    assert exchanges.forget_old(clock.now()) == 0


def test_exchanges_that_cannot_be_written_do_not_hold_a_task_for_ever(consumer, driver, minimax, monkeypatch):
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.SUBMITTED)
    with monkeypatch.context() as patch:
        patch.setattr("videos.engine.step.exchanges.record", lambda *said: 1 / 0)
        assert driver.step(task_id).last_error_code == "internal_error"

    assert driver.finish(task_id).status == "completed"
