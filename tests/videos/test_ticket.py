"""A ticket to MiniMax is written from what is stored: with all that its support asks for, and no secret."""

import pytest

from conduit import clock
from tests.support.lookalike import Answer
from videos.exchange_models import Exchange
from videos.story import EXCHANGES_READ, story_of
from videos.ticket import ticket

pytestmark = pytest.mark.django_db


def test_it_names_what_failed_with_ids_codes_and_times_in_utc(consumer, driver, minimax):
    minimax.always("query", Answer(status="Fail", code=1027, message="output refused"))
    task_id = consumer.generate("a private prompt")["task_id"]
    task = driver.finish(task_id)
    story = story_of(task.pk)

    text = ticket(story)

    job = story.told.clips[0].provider_task_id
    assert f"Our id: {task_id}" in text
    assert f"Asked: {task.created_at:%Y-%m-%d %H:%M:%S}; failed {task.ended_at:%Y-%m-%d %H:%M:%S}" in text
    assert 'What you answered last: HTTP 200, status_code 1027, status fail, "output refused", Trace-Id trace-2' in text
    assert f"Clip 1: model video-01, 6 s 720P, task_id {job}, sent " in text
    assert "Prompt: a private prompt" in text
    calls = text.partition("The calls, oldest first:")[2]
    assert calls.index("POST /v1/video_generation") < calls.index(f"GET /v1/query/video_generation?task_id={job}")
    assert 'sent: {"model": "video-01"' in calls
    assert minimax.key not in text
    assert consumer.secret not in text


def test_questions_that_were_answered_alike_are_one_line(consumer, driver, minimax):
    minimax.statuses = [*["Queueing", "Processing"] * 3, "Success"]
    task_id = consumer.generate()["task_id"]

    text = ticket(story_of(driver.finish(task_id).pk))

    assert text.count("GET /v1/query/video_generation") == 3
    assert text.count(", 3 times: GET /v1/query/video_generation") == 2


def test_what_ordered_something_is_told_however_many_errors_came_after(consumer, driver, minimax):
    task = driver.until(consumer.generate()["task_id"], "submitted")
    now = clock.now()
    error = {"video_id": task.pk, "clip_number": 0, "method": "GET", "path": "/v1/query", "http": 500, "is_error": True, "milliseconds": 5}
    Exchange.objects.bulk_create(Exchange(call="query", first_at=now, last_at=now, **error) for _ in range(EXCHANGES_READ + 20))

    story = story_of(task.pk)

    assert len(story.told.exchanges) == EXCHANGES_READ + 1
    assert story.told.exchanges[-1].call == "create"
    assert story.exchanges_kept == EXCHANGES_READ + 21
