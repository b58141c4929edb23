"""What a retry takes over from its failed task, and what it had better buy anew."""

from typing import Any

import pytest

from conduit import clock
from tests.engine.test_chains import made
from tests.support.lookalike import Answer, LookAlike
from videos.models import Clip, ClipState

pytestmark = pytest.mark.django_db


def test_a_retry_asks_once_more_for_a_job_that_took_too_long_and_takes_what_came_of_it(
    consumer, driver, minimax, media, settings, time_travel
):
    original = timed_out(consumer, driver, minimax, settings, time_travel)
    minimax.ordinary()
    minimax.always("query", Answer(status="Success"))

    retried = consumer.post(f"/v1/video/generations/{original}/retry").json()["task_id"]

    assert driver.finish(retried).status == "completed"
    assert len(minimax.creates) == 1


def timed_out(consumer: Any, driver: Any, minimax: LookAlike, settings: Any, time_travel: Any) -> str:
    time_travel.move_to(clock.now(), tick=True)
    minimax.always("query", Answer(status="Processing"))
    task_id = str(consumer.generate()["task_id"])
    driver.until(task_id, ClipState.SUBMITTED)
    time_travel.shift(settings.GENERATING_SECONDS_MAX + 1)
    assert driver.finish(task_id).error_code == "generation_timeout"
    return task_id


@pytest.mark.parametrize("call", ["query", "retrieve"])
def test_a_retry_orders_anew_what_minimax_does_not_know_any_more(consumer, driver, minimax, media, call):
    minimax.next(call, Answer(code=2013))
    original = driver.finish(consumer.generate()["task_id"])
    assert original.status == "failed"

    retried = consumer.post(f"/v1/video/generations/{original.pk}/retry").json()["task_id"]

    assert driver.finish(retried).status == "completed"
    assert len(minimax.creates) == 2


def test_a_retry_takes_over_no_clip_of_a_chain_that_could_not_be_assembled(consumer, driver, sandbox, media):
    task_id = consumer.generate(duration=7, resolution="720x480")["task_id"]
    while Clip.objects.filter(video_id=task_id, state=ClipState.READY).count() < 2:
        driver.step(task_id)
    for path in (media / "tasks" / task_id).glob("clip-1-*"):
        path.write_bytes(path.read_bytes()[:2000])
    assert driver.finish(task_id).error_code == "invalid_video"

    retried = consumer.post(f"/v1/video/generations/{task_id}/retry").json()["task_id"]

    assert driver.finish(retried).status == "completed"
    assert len(made(sandbox)) == 4
