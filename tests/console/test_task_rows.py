"""A task as a row of the console's lists: what it does, in words for people."""

import json
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conduit import clock
from conduit.console.tasks.rows import rows
from tasks.models import Task
from tests.support.ending import end
from tests.support.planned_clips import planned_clip
from videos.exchange_models import Exchange

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

SINCE = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)


def made(consumer, **fields):
    """The row of a new task with these fields."""
    task_id = consumer.generate(duration=fields.pop("duration", 6))["task_id"]
    Task.objects.filter(pk=task_id).update(**fields)
    return UUID(task_id)


def words(task_id):
    return rows([task_id])[task_id]["words"]


def test_a_row_says_what_was_asked_for_by_whom_and_how_it_stands(consumer):
    task_id = made(consumer, status="processing", stage="generating", progress=40, leg_goal=40)

    row = rows([task_id])[task_id]

    assert json.loads(json.dumps(row)) == row
    expected = {
        "id": str(task_id),
        "tail": str(task_id)[-8:],
        "prompt": "a cat",
        "key": {"id": consumer.key.pk, "name": "somebody"},
        "team": None,
        "model": "minimax-video",
        "seconds": 6,
        "size": "1280x720",
        "status": "processing",
        "shown": "processing",
        "words": "At MiniMax",
        "progress": 40,
        "price": "0.2000",
        "charged": None,
        "error": None,
        "poster": None,
    }
    assert expected.items() <= row.items()


def test_a_chain_says_which_of_its_clips_is_at_hand(consumer):
    task_id = made(consumer, duration=17, status="processing", stage="generating")
    planned_clip(task_id, 0, state="ready", provider_task_id="1")
    planned_clip(task_id, 1, state="submitted", provider_task_id="2")

    assert words(task_id) == "At MiniMax, clip 2 of 3"


def test_what_waits_for_somebody_says_for_what_with_minimaxs_code_and_since_when(consumer):
    task_id = made(consumer, stage="waiting_for_provider_balance", stage_since=SINCE + timedelta(hours=14, minutes=2, seconds=10))
    common = {"video_id": task_id, "method": "POST", "path": "/x", "status": "", "message": "", "trace_id": "", "milliseconds": 1}
    for code in (1002, 1008):
        now = clock.now()
        Exchange.objects.create(call="create", code=code, is_error=True, first_at=now, last_at=now, **common)

    row = rows([task_id])[task_id]

    assert row["words"] == "Waits for a MiniMax account: the balance is empty (1008) since 14:02:10 UTC"
    assert (row["shown"], row["waiting_for"]) == ("waits", "account")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Waits for its turn"),
        ({"stage": "paused", "leg_started_at": SINCE.replace(year=9000)}, "Waits: sending to MiniMax is paused since 00:00:00 UTC"),
        ({"stage": "paused", "lane": "media", "leg_started_at": SINCE}, "Waits: work on files is paused since 00:00:00 UTC, until "),
        ({"stage": "waiting_for_storage"}, "Waits for the storage: files cannot be written since 00:00:00 UTC"),
        (
            {"stage": "assembling", "last_error_code": "storage_unavailable"},
            "its last step failed (storage_unavailable) and is tried again",
        ),
        ({"stage": "something_new"}, "Something new"),
    ],
)
def test_each_stage_has_words(consumer, fields, said):
    assert said in words(made(consumer, stage_since=SINCE, **fields))


def test_what_has_ended_says_how(consumer):
    completed, failed, cancelled = (end(made(consumer), status).pk for status in ("completed", "failed", "cancelled"))

    shown = rows([completed, failed, cancelled])

    assert shown[completed]["words"].startswith("Completed in ")
    assert shown[completed]["poster"].startswith(f"/media/{completed}/thumbnail.jpg?expires=")
    assert (shown[failed]["words"], shown[failed]["error_code"]) == ("Failed: The video provider could not make it.", "provider_error")
    assert shown[cancelled]["words"] == "Cancelled at 0 %"


def test_rows_cost_one_query_however_many_they_are(consumer):
    ids = [made(consumer, stage="waiting_for_provider_key") for _ in range(3)]

    for asked in (ids[:1], ids):
        with CaptureQueriesContext(connection) as queries:
            assert set(rows(asked)) == set(asked)
        assert len(queries) == 1
    assert rows([]) == {}
