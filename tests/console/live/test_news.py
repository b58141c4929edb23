"""What is told: once made for all who want it, always as it is now, and no more than is due."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from conduit.console.live.looking import Found
from conduit.console.live.news import Due, News
from conduit.console.now.parts import Part
from tasks.changes import FollowedTask
from tasks.progress import Legs

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
LEGS = Legs("processing", 10, 90, NOON, 80.0, 20.0)


def row(**changed):
    return {"id": "a", "status": "processing", "progress": 10, "eta_seconds": 100} | changed


def found(rows=None, legs=LEGS, **more):
    rows = {"a": row()} if rows is None else rows
    followed = {task_id: FollowedTask(task_id, NOON, legs) for task_id in rows}
    return Found(frozenset({"a", *rows}), rows, followed, **more)


@pytest.fixture
def news():
    news = News()
    news.take(found(), NOON)
    return news


def told(news, **due):
    return json.loads(news.message(Due(**due), None))


def test_only_what_is_other_than_before_is_a_change(news):
    assert news.take(found(), NOON) == (set(), set())
    assert news.take(found({"a": row(status="completed")}), NOON) == ({"a"}, set())
    assert news.take(found({"a": None}), NOON) == ({"a"}, set())


def test_progress_goes_on_by_the_clock(news):
    assert news.go_on(NOON + timedelta(seconds=0.5)) == set()
    assert news.go_on(NOON + timedelta(seconds=10)) == {"a"}
    assert told(news, moved={"a"}) == {"tasks": {"a": {"progress": 20, "eta_seconds": 90}}}
    assert told(news, rows={"a"})["tasks"]["a"]["progress"] == 20


def test_what_is_left_is_told_anew_when_pages_count_something_else(news):
    late = NOON + timedelta(seconds=400)
    news.go_on(late)

    assert news.go_on(late + timedelta(seconds=1)) == set()
    assert news.go_on(late + timedelta(seconds=60)) == {"a"}


def test_a_task_that_ended_moves_no_more(news):
    ended = Legs("completed", 100, 90, NOON, 80.0, 20.0)
    news.take(found({"a": row(status="completed", progress=100)}, ended), NOON)

    assert news.go_on(NOON + timedelta(seconds=60)) == set()


def test_a_message_that_several_want_is_made_once_until_something_happens(news):
    first = news.message(Due(rows={"a"}), None)

    assert news.message(Due(rows={"a"}), None) is first
    news.take(found({"a": row(status="failed")}), NOON)
    assert news.message(Due(rows={"a"}), None) != first


def test_a_reader_who_was_slow_is_told_how_it_is_and_not_how_it_was(news):
    due = Due(rows={"a"}, moved={"a"})
    news.take(found({"a": row(status="failed", progress=10)}), NOON)

    assert json.loads(news.message(due, None)) == {"tasks": {"a": row(status="failed")}}


def test_a_part_with_the_same_key_is_not_told_again(news):
    parts = {"running": Part("one row", "<b>1 s</b>")}
    assert news.take(found(parts=parts), NOON)[1] == {"running"}
    assert news.take(found(parts={"running": Part("one row", "<b>2 s</b>")}), NOON)[1] == set()
    assert told(news, parts={"running"}) == {"now": {"running": "<b>2 s</b>"}}


def test_newer_tasks_are_counted_from_the_one_that_a_page_shows(news):
    news.take(found(newest=["1", "2", "3"]), NOON)
    news.take(found(created=("3", "4")), NOON)

    assert json.loads(news.message(Due(newer=True), "2")) == {"newest": "4", "newer": 2}
