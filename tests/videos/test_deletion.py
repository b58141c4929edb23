"""A consumer deletes a result: what was sent and made goes everywhere, row and money stay."""

from urllib.parse import urlsplit

import pytest
from django.apps import apps
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection

from tasks import history, kinds
from tasks.models import Status, Task
from tests.support.finished_videos import finished_video
from tests.support.marks import SOAK_ON_SQLITE
from videos import cleanup
from videos.models import Video
from videos.storage import files_in, folder

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite, *SOAK_ON_SQLITE]

MARKER = "zanzibar"
WANTED = {"model": "minimax-video", "prompt": f"a cat in {MARKER}", "metadata": {"place": MARKER, MARKER: "yes"}}


def path_of(link):
    parts = urlsplit(link)
    return f"{parts.path}?{parts.query}"


def holders(word):
    """The tables of ours that hold it in any column."""
    found = []
    for model in apps.get_models():
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT * FROM "{model._meta.db_table}"')
            found += [model._meta.db_table for row in cursor.fetchall() if word in repr(row)]
    return found


@pytest.fixture
def made(consumer, driver, minimax):
    """A completed task whose create was sent twice, so that its answer is kept."""
    headers = {"Idempotency-Key": "mine"}
    task = consumer.post("/v1/video/generations", WANTED, **headers).json()
    assert driver.finish(task["task_id"]).status == Status.COMPLETED
    return consumer.task(task["task_id"])


def test_everything_that_was_sent_and_made_is_gone_and_the_money_stays(consumer, made, media):
    links = [path_of(made["result"][name]) for name in ("video_url", "thumbnail_url")]
    assert [consumer.http.head(link).status_code for link in links] == [200, 200]

    answer = consumer.delete(f"/v1/tasks/{made['task_id']}/media")

    assert answer.status_code == 200
    gone = {"result": None, "prompt": None, "metadata": {}, "updated_at": answer.json()["updated_at"]}
    assert answer.json() == made | gone
    assert answer.json()["updated_at"] > made["updated_at"]
    assert consumer.task(made["task_id"]) == answer.json()
    assert [(found.status_code, found.json()["error"]["code"]) for found in map(consumer.get, links)] == [(410, "media_deleted")] * 2
    assert holders(MARKER) == []

    cleanup.remove_leftovers_of(Video.objects.get().pk)

    assert list(files_in(folder(made["task_id"]))) == []
    assert [path for path in media.rglob("*") if path.is_file()] == []
    again = consumer.delete(f"/v1/tasks/{made['task_id']}/media")
    assert (again.status_code, again.json()) == (200, answer.json())


def test_a_call_that_is_sent_again_is_answered_without_what_was_deleted(consumer, made):
    consumer.delete(f"/v1/tasks/{made['task_id']}/media")

    again = consumer.post("/v1/video/generations", WANTED, **{"Idempotency-Key": "mine"})

    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (202, "true")
    assert (again.json()["task_id"], again.json()["prompt"], again.json()["metadata"]) == (made["task_id"], None, {})
    assert Task.objects.count() == 1


def test_a_client_that_knows_the_task_hears_that_it_changed(consumer, made):
    etag = consumer.get(f"/v1/tasks/{made['task_id']}").headers["ETag"]

    consumer.delete(f"/v1/tasks/{made['task_id']}/media")

    assert consumer.get(f"/v1/tasks/{made['task_id']}", **{"If-None-Match": etag}).status_code == 200


def test_a_task_under_way_keeps_what_it_needs(consumer):
    task = consumer.generate(MARKER)

    answer = consumer.delete(f"/v1/tasks/{task['task_id']}/media")

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "task_under_way")
    assert consumer.task(task["task_id"])["prompt"] == MARKER


def test_a_failed_task_without_its_prompt_cannot_be_retried_and_its_clips_are_kept_for_nobody(consumer, media):
    video = finished_video(b"mp4", status="failed")
    Task.objects.update(key=consumer.key)
    clip = default_storage.save(f"{folder(video.pk)}/clip-1.mp4", ContentFile(b"clip"))

    cleanup.remove_leftovers()
    assert default_storage.exists(clip)  # a retry may want it
    consumer.delete(f"/v1/tasks/{video.pk}/media")
    cleanup.remove_leftovers()

    assert not default_storage.exists(clip)
    retry = consumer.post(f"/v1/video/generations/{video.pk}/retry")
    assert (retry.status_code, retry.json()["error"]["code"]) == (409, "task_not_retryable")


def test_hub_clients_that_are_told_its_history_again_get_no_links(consumer, made):
    consumer.delete(f"/v1/tasks/{made['task_id']}/media")

    found = history.page(consumer.key.pk, 0)
    assert isinstance(found, history.Page)
    told = dict(filter(None, (kinds.hub_event(one.notice) for one in found.events)))

    completed = told["VideoGenerationCompleted"]
    assert (completed["taskId"], completed["videoUrl"], completed["thumbnailUrl"]) == (made["task_id"], None, None)


def test_another_keys_task_is_not_there(make_consumer, made):
    answer = make_consumer("other").delete(f"/v1/tasks/{made['task_id']}/media")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "task_not_found")
    assert Video.objects.get().media_deleted_at is None


# ---- OpenAI's wire


def test_there_an_ended_video_is_gone_for_good(consumer, made):
    assert consumer.delete(f"/v1/videos/{made['task_id']}").json() == {"id": made["task_id"], "object": "video.deleted", "deleted": True}

    for path in ("", "/content"):
        assert consumer.get(f"/v1/videos/{made['task_id']}{path}").status_code == 404
    assert consumer.delete(f"/v1/videos/{made['task_id']}").status_code == 404
    assert consumer.get("/v1/videos").json()["data"] == []
    task = consumer.task(made["task_id"])
    assert (task["status"], task["result"], task["cost"]) == ("completed", None, made["cost"])


def test_there_a_call_that_is_sent_again_is_answered_without_what_was_deleted(consumer, driver, minimax):
    wanted = {"prompt": f"a cat in {MARKER}"}
    video = consumer.post("/v1/videos", wanted, **{"Idempotency-Key": "mine"}).json()
    driver.finish(video["id"])
    consumer.delete(f"/v1/videos/{video['id']}")

    again = consumer.post("/v1/videos", wanted, **{"Idempotency-Key": "mine"}).json()

    assert (again["id"], again["prompt"]) == (video["id"], None)
    assert holders(MARKER) == []


def test_there_a_video_under_way_is_cancelled(consumer, ledger):
    task = consumer.generate(MARKER)

    assert consumer.delete(f"/v1/videos/{task['task_id']}").status_code == 200

    assert consumer.get(f"/v1/videos/{task['task_id']}").status_code == 404
    cancelled = consumer.task(task["task_id"])
    assert (cancelled["status"], cancelled["cost"]["held"]) == ("cancelled", "0.0000")
    assert ledger(task["task_id"])[0][0] == "hold"
