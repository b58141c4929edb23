"""Operators read what was said to MiniMax in /v1/admin/tasks/{id}; the page of a task has tests of its own."""

from datetime import timedelta

import pytest

from conduit import clock
from tests.support.lookalike import Answer
from tests.support.managing import make_manager
from videos.exchange_models import Exchange
from videos.presentation import EXCHANGES_SHOWN

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


@pytest.fixture
def failed(consumer, driver, minimax):
    minimax.always("query", Answer(status="Fail", code=1027, message="<b>output refused</b>"))
    task_id = consumer.generate()["task_id"]
    driver.finish(task_id)
    return task_id


def many(task_id, count):
    now = clock.now()
    Exchange.objects.bulk_create(
        Exchange(
            video_id=task_id,
            clip_number=0,
            call="create",
            method="POST",
            path=f"/v1/{number}",
            http=200,
            is_error=True,
            milliseconds=5,
            first_at=now + timedelta(seconds=number),
            last_at=now + timedelta(seconds=number),
        )
        for number in range(count)
    )


def test_a_task_is_read_with_its_exchanges_newest_first(failed):
    shown = make_manager().done("GET", f"tasks/{failed}")["exchanges"]

    assert [(one["call"], one["code"], one["status"], one["is_error"]) for one in shown] == [
        ("query", 1027, "fail", True),
        ("create", 0, None, False),
    ]
    assert shown[0]["message"] == "<b>output refused</b>"
    assert (shown[0]["trace_id"], shown[0]["clip"], shown[0]["count"], shown[0]["http"]) == ("trace-2", 0, 1, 200)
    assert shown[0]["first_at"] == shown[0]["last_at"]
    assert set(shown[0]) == {
        "clip", "call", "method", "path", "http", "code", "status", "message", "is_error", "trace_id", "milliseconds", "count",
        "first_at", "last_at", "request", "answer",
    }  # fmt: skip


def test_a_task_is_read_with_what_became_of_it(failed):
    shown = make_manager().done("GET", f"tasks/{failed}")

    assert [(step["name"], step["state"]) for step in shown["life"]] == [
        ("Queued", "done"), ("Clip 1 ordered", "done"), ("Clip 1 at MiniMax", "stopped"), ("Failed", "moment"), ("Told", "moment"),
    ]  # fmt: skip
    assert [(row["entry"], row["amount"]) for row in shown["ledger"]] == [("hold", "0.2000"), ("capture", "0.0000"), ("release", "0.2000")]
    assert (shown["ledger_problems"], shown["billed"], shown["margin"], shown["retries"]) == ([], "0.0000", "0.0000", [])
    (clip,) = shown["plan"]["clips"]
    assert clip == {"makes": "video", "model": "video-01", "duration": 6, "resolution": "720P", "cost": "0.4300"}


def test_the_owner_of_a_task_does_not_see_them(failed, consumer):
    assert "exchanges" not in consumer.task(failed)
    assert "output refused" not in str(consumer.task(failed))


def test_of_very_many_the_newest_are_shown(consumer):
    task_id = consumer.generate()["task_id"]
    many(task_id, EXCHANGES_SHOWN + 10)

    shown = make_manager().done("GET", f"tasks/{task_id}")["exchanges"]

    newest = [f"/v1/{number}" for number in range(EXCHANGES_SHOWN + 9, 9, -1)]
    assert [one["path"] for one in shown] == newest


def test_a_page_of_what_is_no_task_leads_back_to_the_list(admin):
    assert admin.get("/admin/videos/video/x/change/").status_code == 302
