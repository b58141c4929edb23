"""Deleting what tasks made, by those who run the place: of one task, of many, of a key. What goes: tests/videos/test_deletion.py."""

import json
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conduit.api.models import KeptAnswer
from keys.models import AuditEntry
from tasks import runs, steering
from tasks.run_models import Action
from tests.support.ending import end
from tests.support.envelopes import refused
from tests.support.managing import make_manager
from tests.support.racing import in_threads
from videos.deletion import delete_media

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

MARK = "zanzibar"


def test_whoever_manages_keys_deletes_for_others_and_is_audited(consumer):
    task_id = end(consumer.generate(MARK)["task_id"], "failed").pk
    manager, operator = make_manager("manager", scopes=["read", "keys"]), make_manager("operator", scopes=["read", "operate"])
    refused(operator("DELETE", f"tasks/{task_id}/media"), 403, "scope_not_allowed")

    shown = manager.done("DELETE", f"tasks/{task_id}/media")

    assert (shown["prompt"], shown["result"]) == (None, None)
    [row] = AuditEntry.objects.filter(action="delete media")
    assert (row.target, MARK in json.dumps(row.changes)) == (f"task:{task_id}", False)
    manager.done("DELETE", f"tasks/{task_id}/media")
    assert AuditEntry.objects.filter(action="delete media").count() == 1


def test_a_task_under_way_keeps_everything_whoever_asks(consumer):
    task_id = consumer.generate(MARK)["task_id"]

    refused(make_manager("manager")("DELETE", f"tasks/{task_id}/media"), 409, "task_under_way")

    assert consumer.task(task_id)["prompt"] == MARK


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_of_many_at_once_one_deletes(consumer):
    task = end(consumer.generate()["task_id"], "failed")

    assert sum(in_threads(*[lambda: steering.delete_media(task, who="root")] * 5)) == 1
    assert AuditEntry.objects.filter(action="delete media").count() == 1


def test_kept_answers_are_found_by_what_they_show_and_not_by_reading_them(consumer):
    wanted = {"model": "minimax-video", "prompt": MARK}
    first = consumer.post("/v1/video/generations", wanted, **{"Idempotency-Key": "one"}).json()["task_id"]
    consumer.post("/v1/video/generations", wanted, **{"Idempotency-Key": "two"})

    with CaptureQueriesContext(
        connection,
    ) as asked:
        delete_media(end(first, "failed"))

    assert not [query for query in asked if "LIKE" in query["sql"].upper() and "keptanswer" in query["sql"]]
    assert KeptAnswer.objects.filter(subject=UUID(first)).count() == 1
    assert [MARK in kept.answer["body"] for kept in KeptAnswer.objects.order_by("id")] == [False, True]


# ---- All of a key --------------------------------------------------------------------------------------------------------


def test_all_of_a_key_is_deleted_in_the_background_and_nothing_of_another_that_has_its_number_for_a_name(consumer, make_consumer):
    other = make_consumer(str(consumer.key.pk))
    ended, under_way = str(end(consumer.generate(MARK)["task_id"], "failed").pk), consumer.generate(MARK)["task_id"]
    foreign = str(end(other.generate(MARK)["task_id"], "failed").pk)
    manager = make_manager("manager", scopes=["read", "keys"])

    answer = manager("DELETE", f"keys/{consumer.key.pk}/media")

    run = answer.json()
    assert (answer.status_code, answer.headers["Location"], run["state"]) == (202, f"/v1/admin/runs/{run['id']}", "at_work")
    runs.advance(run["id"])
    told = manager.done("GET", f"runs/{run['id']}")
    assert (told["state"], told["done"], told["action"]) == ("done", 1, "delete")
    assert [consumer.task(one)["prompt"] for one in (ended, under_way)] == [None, MARK]
    assert other.task(foreign)["prompt"] == MARK


def test_a_key_whose_media_nobody_may_delete_keeps_them(consumer):
    end(consumer.generate(MARK)["task_id"], "failed")
    operator = make_manager("operator", scopes=["read", "operate"])

    refused(operator("DELETE", f"keys/{consumer.key.pk}/media"), 403, "scope_not_allowed")
    refused(make_manager("manager")("DELETE", "keys/999999/media"), 404, "not_found", "key_id")


def test_a_run_leaves_what_was_deleted_before_and_says_so(consumer):
    first, second = (end(consumer.generate()["task_id"], "failed") for _ in range(2))
    delete_media(first)

    run = runs.begin(Action.DELETE, who="root")
    runs.advance(run.pk)

    run.refresh_from_db()
    assert (run.done, run.unchanged, run.refused) == (1, 1, 0)
    assert AuditEntry.objects.get(action="delete media").target == f"task:{second.pk}"
