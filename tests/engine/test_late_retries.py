"""A retry that comes when the clips of its failed task were removed."""

from typing import Any

import pytest

from conduit import clock
from tasks.models import Task
from tests.engine.test_chains import delivered, made
from videos import cleanup
from videos.minimax.sandbox import Sandbox
from videos.models import Clip, ClipState, Video

pytestmark = pytest.mark.django_db


def swept_after(consumer: Any, driver: Any, sandbox: Sandbox, settings: Any, *, ready: int) -> Task:
    """A failed chain of three clips, of which so many were ready, and whose files are gone."""
    task_id = consumer.generate(duration=13, resolution="720x480")["task_id"]
    while Clip.objects.filter(video_id=task_id, state=ClipState.READY).count() < ready:
        driver.step(task_id)
    sandbox.fault("create", "fail=1027")
    task: Task = driver.finish(task_id)
    assert task.error_code == "content_policy_violation"
    settings.FAILED_CLIPS_SECONDS = 0
    while Video.objects.unswept(clock.now()).exists():
        cleanup.remove_leftovers()
    return task


def test_a_late_retry_fetches_the_good_clips_again_and_pays_for_none_of_them(consumer, driver, sandbox, media, settings):
    original = swept_after(consumer, driver, sandbox, settings, ready=2)

    retried = consumer.post(f"/v1/video/generations/{original.pk}/retry").json()["task_id"]

    assert driver.finish(retried).status == "completed"
    assert delivered(media, retried) == list(range(325))
    assert len(made(sandbox)) == 3 + 1


@pytest.mark.parametrize("ready", [1, 2])
def test_a_late_retry_makes_what_minimax_has_forgotten_and_all_that_went_on_from_it(consumer, driver, sandbox, media, settings, ready):
    original = swept_after(consumer, driver, sandbox, settings, ready=ready)
    sandbox.fault("retrieve", "status=2013")

    retried = consumer.post(f"/v1/video/generations/{original.pk}/retry").json()["task_id"]

    assert driver.finish(retried).status == "completed"
    assert delivered(media, retried) == list(range(325))
    assert len(made(sandbox)) == ready + 1 + 3
    assert not Clip.objects.filter(video_id=retried).exclude(taken_from=None).exists()
    assert [clip.billed == clip.cost for clip in Clip.objects.filter(video_id=retried)] == [True] * 3
