"""What the database itself refuses, whatever the code does."""

import pytest
from django.db import IntegrityError, transaction

from conduit import clock
from tasks.models import Task, TaskEvent
from tests.support.planned_clips import planned_clip
from videos.models import ResolutionFactor, VideoModel

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

ENDED = {"next_step_at": None, "ended_at": clock.now(), "charged": 0}


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"status": "completed", "progress": 99, **ENDED}, "task_is_at_100_when_completed_only"),
        ({"progress": 100}, "task_is_at_100_when_completed_only"),
        ({"status": "cancelled", "progress": 100, **ENDED}, "task_is_at_100_when_completed_only"),
        ({"leg_goal": 101}, "task_progress_is_a_percentage"),
        ({"status": "completed", "progress": 100}, "task_has_a_next_step_until_it_ends"),
        ({"status": "completed", "progress": 100, **ENDED, "next_step_at": clock.now()}, "task_has_a_next_step_until_it_ends"),
        ({"status": "cancelled", **ENDED, "charged": None}, "task_is_charged_when_it_ended_or_settles_later"),
        ({"status": "cancelled", **ENDED, "charged": None, "settles_later": True}, "task_is_charged_when_it_ended_or_settles_later"),
        ({"settles_later": True}, "task_is_charged_when_it_ended_or_settles_later"),
        ({"status": "cancelled", **ENDED, "ended_at": None}, "task_has_a_next_step_until_it_ends"),
        ({"next_step_at": None}, "task_has_a_next_step_until_it_ends"),
        ({"charged": 0}, "task_has_a_next_step_until_it_ends"),
        ({"status": "unheard", **ENDED}, "task_has_a_next_step_until_it_ends"),
        ({"status": "failed", **ENDED}, "task_has_an_error_when_failed_or_too_late_only"),
        ({"status": "cancelled", "error_code": "provider_error", **ENDED}, "task_has_an_error_when_failed_or_too_late_only"),
        ({"error_code": "deadline_exceeded"}, "task_has_an_error_when_failed_or_too_late_only"),
        ({"error_code": "provider_error"}, "task_has_an_error_when_failed_or_too_late_only"),
    ],
)
def test_the_database_refuses_a_task_that_cannot_be(consumer, fields, constraint):
    consumer.generate()

    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Task.objects.update(**fields)


def test_a_task_has_each_status_at_most_once(consumer):
    consumer.generate()
    task = Task.objects.get()

    with pytest.raises(IntegrityError), transaction.atomic():
        TaskEvent.objects.create(task=task, key=task.key, status="queued")


@pytest.mark.parametrize("state", ["submitted", "made", "located", "stored", "ready"])
def test_a_clip_that_was_sent_has_its_id_at_minimax(consumer, state):
    consumer.generate()
    video = Task.objects.get().video

    with pytest.raises(IntegrityError, match="clip_sent_has_an_id"), transaction.atomic():
        planned_clip(video.pk, state=state)


def test_a_clip_has_its_place_alone(consumer):
    consumer.generate()
    video = Task.objects.get().video
    planned_clip(video.pk)

    with pytest.raises(IntegrityError), transaction.atomic():
        planned_clip(video.pk)


def test_a_model_has_one_factor_for_a_size(db):
    with pytest.raises(IntegrityError), transaction.atomic():
        ResolutionFactor.objects.create(model=VideoModel.objects.get(name="video-01"), resolution="1280x720", factor=2)
