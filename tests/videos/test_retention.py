"""Results and prompts that are kept for a time: RESULTS_KEPT_DAYS, PROMPTS_KEPT_DAYS, and those of a key."""

from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client

from conduit import clock
from conduit.api.formats import rfc3339
from keys.models import VirtualKey
from tasks.models import Task
from tests.support.ending import end
from tests.support.envelopes import refused
from tests.support.managing import make_manager
from videos import cleanup, jobs
from videos.models import Video
from videos.storage import folder

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

DAY = timedelta(days=1)
MARK = "zanzibar"


@pytest.fixture(autouse=True)
def _still(settings, time_travel, media):
    settings.RESULTS_KEPT_DAYS, settings.PROMPTS_KEPT_DAYS = 7, 30
    time_travel.move_to(clock.now(), tick=False)


def made(consumer, status="completed"):
    task_id = consumer.generate(MARK, metadata={MARK: MARK})["task_id"]
    end(task_id, status)
    return task_id


def test_a_task_says_when_the_first_of_it_is_deleted(consumer):
    under_way, completed, failed = consumer.generate()["task_id"], made(consumer), made(consumer, "failed")

    assert [consumer.task(one)["expires_at"] for one in (under_way, completed, failed)] == [
        None, rfc3339(clock.now() + 7 * DAY), rfc3339(clock.now() + 30 * DAY),
    ]  # fmt: skip


def test_a_result_is_deleted_at_its_time_and_the_prompt_at_its_own(consumer, time_travel):
    task_id = made(consumer)
    link = consumer.task(task_id)["result"]["video_url"]
    file = default_storage.save(f"{folder(task_id)}/video-0", ContentFile(b"a video"))
    Video.objects.update(file=file)
    time_travel.shift(7 * DAY - timedelta(seconds=1))
    jobs.forget_old_media()
    assert consumer.task(task_id)["result"]

    time_travel.shift(timedelta(seconds=1))
    jobs.forget_old_media()
    cleanup.remove_leftovers()

    task = consumer.task(task_id)
    assert (task["status"], task["result"], task["prompt"], task["metadata"]) == ("completed", None, MARK, {MARK: MARK})
    assert task["expires_at"] == rfc3339(clock.now() + 23 * DAY)
    assert not default_storage.exists(file)
    assert Client().head(link).status_code in (403, 410)  # by now it has lived its time as well
    time_travel.shift(23 * DAY)
    jobs.forget_old_media()
    task = consumer.task(task_id)
    assert (task["prompt"], task["metadata"], task["expires_at"]) == (None, {}, None)
    assert MARK not in str(list(Video.objects.values())) + str(list(Task.objects.values()))


def test_a_link_of_a_result_that_was_deleted_is_410(consumer, settings, time_travel):
    settings.RESULTS_KEPT_DAYS = 1
    settings.MEDIA_LINK_SPAN_SECONDS = 30 * 86_400
    task_id = made(consumer)
    link = consumer.task(task_id)["result"]["video_url"]

    time_travel.shift(DAY)
    jobs.forget_old_media()

    refused(Client().get(link), 410, "media_deleted")


def test_a_failed_task_without_its_prompt_cannot_be_retried(consumer, time_travel):
    task_id = made(consumer, "failed")
    time_travel.shift(30 * DAY)
    jobs.forget_old_media()

    refused(consumer.post(f"/v1/video/generations/{task_id}/retry"), 409, "task_not_retryable")


def test_a_key_has_numbers_of_its_own_and_a_task_keeps_those_of_its_creation(consumer):
    manager = make_manager("manager")
    changed = manager.done("PATCH", f"keys/{consumer.key.pk}", {"limits": {"results_kept_days": 2, "prompts_kept_days": 1}})
    assert (changed["limits"]["results_kept_days"], changed["limits"]["prompts_kept_days"]) == (2, 1)
    task_id = consumer.generate()["task_id"]
    VirtualKey.objects.update(results_kept_days=None, prompts_kept_days=None)

    end(task_id, "completed")

    assert consumer.task(task_id)["expires_at"] == rfc3339(clock.now() + DAY)
    assert consumer.task(made(consumer))["expires_at"] == rfc3339(clock.now() + 7 * DAY)


def test_where_nothing_is_said_everything_is_kept_for_good(consumer, settings, time_travel):
    settings.RESULTS_KEPT_DAYS = settings.PROMPTS_KEPT_DAYS = 0
    task_id = made(consumer)
    time_travel.shift(4000 * DAY)
    jobs.forget_old_media()

    task = consumer.task(task_id)
    assert (task["expires_at"], task["prompt"]) == (None, MARK)
    assert task["result"]


def test_more_than_a_batch_is_deleted_in_one_go(consumer, time_travel, monkeypatch):
    monkeypatch.setattr("videos.retention.BATCH", 2)
    tasks = [made(consumer) for _ in range(5)]
    time_travel.shift(30 * DAY)

    jobs.forget_old_media()

    assert [consumer.task(one)["prompt"] for one in tasks] == [None] * 5
    assert not Task.objects.exclude(results_end_at=None, prompts_end_at=None).exists()
