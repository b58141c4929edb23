"""GET /v1/tasks/{id}"""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.dateparse import parse_datetime

from conduit import clock
from tasks.models import Task
from tests.support.ending import end
from tests.support.envelopes import refused
from tests.support.marks import SOAK_ON_SQLITE

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite, *SOAK_ON_SQLITE]

FIELDS = {
    "task_id", "object", "type", "status", "progress", "stage", "waiting_for", "queue_position",
    "eta_seconds", "model", "prompt", "duration", "resolution",
    "aspect_ratio", "created_at", "updated_at", "started_at", "completed_at", "result", "error", "error_code", "retry_of", "cost",
    "metadata", "expires_at",
}  # fmt: skip
RESULT = {"video_url", "thumbnail_url", "duration", "width", "height", "fps", "size_bytes", "content_type", "expires_at", "source"}
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def test_a_queued_task_has_every_field_of_the_contract(consumer):
    task = consumer.task(consumer.generate("a cat")["task_id"])

    assert set(task) == FIELDS
    assert (task["object"], task["type"], task["status"], task["stage"]) == ("task", "video_generation", "queued", "queued")
    assert 0 <= task["progress"] < 100
    assert task["eta_seconds"] > 0
    absent = ("waiting_for", "queue_position", "started_at", "completed_at", "result", "error", "error_code", "retry_of")
    assert [task[name] for name in absent] == [None] * len(absent)
    assert RFC_3339.fullmatch(task["created_at"])
    assert RFC_3339.fullmatch(task["updated_at"])
    assert task["cost"] == {"estimated": "0.2000", "held": "0.2000", "charged": None, "currency": "USD"}


def test_what_a_create_answered_is_what_a_read_answers(consumer, time_travel):
    time_travel.move_to(clock.now(), tick=False)
    created = consumer.generate("a cat", metadata={"order": "7"})

    assert consumer.task(created["task_id"]) == created


@pytest.mark.parametrize(
    ("stage", "waiting_for"),
    [
        ("waiting_for_rate_limit", "rate"),
        ("waiting_for_provider", "provider"),
        ("waiting_for_provider_key", "account"),
        ("waiting_for_provider_balance", "account"),
        ("waiting_for_storage", "storage"),
        ("generating", None),
        ("waiting_at_provider", None),
    ],
)
def test_a_task_says_in_one_word_what_it_waits_for(consumer, stage, waiting_for):
    task_id = consumer.generate()["task_id"]
    Task.objects.update(stage=stage)

    task = consumer.task(task_id)

    assert (task["stage"], task["waiting_for"]) == (stage, waiting_for)


def test_a_completed_task_has_its_result(consumer):
    task = consumer.task(str(end(consumer.generate()["task_id"], "completed").pk))

    result = task["result"]
    assert (task["status"], task["progress"], task["eta_seconds"]) == ("completed", 100, None)
    assert RFC_3339.fullmatch(task["completed_at"])
    assert set(result) == RESULT
    assert set(result["source"]) == {"model", "width", "height", "fps", "clips", "speed"}
    assert result["video_url"].startswith(f"http://testserver/media/{task['task_id']}/video.mp4?")
    assert result["thumbnail_url"].startswith(f"http://testserver/media/{task['task_id']}/thumbnail.jpg?")
    assert result["content_type"] == "video/mp4"
    assert parse_datetime(result["expires_at"]) > clock.now()
    assert task["cost"] == {"estimated": "0.2000", "held": "0.0000", "charged": "0.2000", "currency": "USD"}


def test_a_failed_task_says_why_in_words_and_in_a_code(consumer):
    task = consumer.task(str(end(consumer.generate()["task_id"], "failed").pk))

    assert (task["status"], task["error"], task["error_code"]) == ("failed", "The video provider could not make it.", "provider_error")
    assert (task["result"], task["completed_at"], task["eta_seconds"]) == (None, None, None)
    assert task["progress"] < 100
    assert task["cost"] == {"estimated": "0.2000", "held": "0.0000", "charged": "0.0000", "currency": "USD"}


@pytest.mark.parametrize("status", ["queued", "completed", "failed", "cancelled"])
def test_reading_costs_at_most_two_queries_and_writes_nothing(consumer, status):
    task_id = consumer.generate()["task_id"]
    if status != "queued":
        end(task_id, status)

    with CaptureQueriesContext(connection) as queries:
        consumer.task(task_id)

    assert len(queries) <= 2
    assert {query["sql"].partition(" ")[0] for query in queries} == {"SELECT"}


@pytest.mark.parametrize("call", ["read", "cancel", "delete", "retry"])
@pytest.mark.parametrize("whose", ["another's", "nobody's", "malformed"])
def test_a_task_that_is_not_the_keys_own_is_404_in_every_call(make_consumer, call, whose):
    ann, bob = make_consumer("ann"), make_consumer("bob")
    hers = ann.generate()["task_id"]
    end(hers, "failed")
    task_id = {"another's": hers, "nobody's": "01a20278-ca5c-7589-8260-f58625356f59", "malformed": "7"}[whose]

    answer = {
        "read": lambda: bob.get(f"/v1/tasks/{task_id}"),
        "cancel": lambda: bob.post(f"/v1/tasks/{task_id}/cancel"),
        "delete": lambda: bob.delete(f"/v1/video/generations/{task_id}"),
        "retry": lambda: bob.post(f"/v1/video/generations/{task_id}/retry"),
    }[call]()

    assert refused(answer, 404, "task_not_found", "task_id") == "This key has no task of that id."
    assert Task.objects.get().status == "failed"


@pytest.mark.parametrize(
    "task_id", ["%00", "%ff", "%F0%9F%90%88", "x" * 3000, "..", "' OR 1=1 --", "null", "01a20278-ca5c-7589-8260-f5862535\u00e459", "0" * 36]
)
def test_an_id_that_cannot_be_one_is_404(consumer, task_id):
    answer = consumer.get(f"/v1/tasks/{task_id}")

    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "not_found_error"


def test_an_unchanged_finished_task_is_304_within_a_span_of_its_links_and_200_after_it(consumer, time_travel, settings):
    start = clock.now().replace(minute=0, second=1, microsecond=0) + timedelta(days=1)
    time_travel.move_to(start - timedelta(hours=2), tick=False)
    path = f"/v1/tasks/{end(consumer.generate()['task_id'], 'completed').pk}"
    time_travel.move_to(start, tick=False)
    first = consumer.get(path)

    time_travel.move_to(start + timedelta(seconds=settings.MEDIA_LINK_SPAN_SECONDS - 10), tick=False)
    again = consumer.get(path)
    known = consumer.get(path, **{"If-None-Match": first.headers["ETag"]})
    time_travel.move_to(start + timedelta(seconds=settings.MEDIA_LINK_SPAN_SECONDS), tick=False)
    renewed = consumer.get(path, **{"If-None-Match": first.headers["ETag"]})

    assert (again.content, again.headers["ETag"]) == (first.content, first.headers["ETag"])
    assert (known.status_code, known.content, known.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert renewed.status_code == 200
    assert renewed.json()["result"]["video_url"] != first.json()["result"]["video_url"]


@pytest.mark.parametrize("seconds", [0, 1, 1800, 3598, 3599])
def test_links_are_still_valid_for_a_span_whenever_they_are_handed_out(consumer, time_travel, settings, seconds):
    time_travel.move_to(clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1, seconds=seconds), tick=False)
    task = consumer.task(str(end(consumer.generate()["task_id"], "completed").pk))

    left = parse_datetime(task["result"]["expires_at"]) - clock.now()
    assert timedelta(seconds=settings.MEDIA_LINK_SPAN_SECONDS) <= left <= timedelta(seconds=2 * settings.MEDIA_LINK_SPAN_SECONDS)


@pytest.mark.parametrize("known", ["*", "W/{}", '"other", {}', "{}"])
def test_if_none_match_takes_weak_tags_lists_and_the_star(consumer, known):
    path = f"/v1/tasks/{end(consumer.generate()['task_id'], 'failed').pk}"
    tag = consumer.get(path).headers["ETag"]

    assert consumer.get(path, **{"If-None-Match": known.format(tag)}).status_code == 304


@pytest.mark.parametrize("known", ["", '"other"', "nonsense", "W/", '"'])
def test_if_none_match_of_another_body_is_answered_in_full(consumer, known):
    path = f"/v1/tasks/{end(consumer.generate()['task_id'], 'failed').pk}"

    assert consumer.get(path, **{"If-None-Match": known}).status_code == 200


def test_no_cache_between_keeps_a_task_that_may_have_changed(consumer):
    answer = consumer.get(f"/v1/tasks/{consumer.generate()['task_id']}")

    assert answer.headers["Cache-Control"] == "private, no-cache"


def test_the_tag_changes_with_the_task(consumer):
    task_id = consumer.generate()["task_id"]
    before = consumer.get(f"/v1/tasks/{task_id}").headers["ETag"]
    end(task_id, "failed")

    assert consumer.get(f"/v1/tasks/{task_id}", **{"If-None-Match": before}).status_code == 200


def test_head_answers_what_get_answers_without_the_body(consumer):
    path = f"/v1/tasks/{end(consumer.generate()['task_id'], 'failed').pk}"

    head = consumer.http.head(path)

    assert (head.status_code, head.content, head.headers["ETag"]) == (200, b"", consumer.get(path).headers["ETag"])
