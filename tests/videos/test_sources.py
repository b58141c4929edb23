"""`result.source` says what was made natively, so that nobody takes an upscale for more."""

import pytest

from tests.support.ending import end
from videos.models import Video

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def test_a_result_says_what_was_made_natively(consumer):
    task_id = consumer.generate(duration=60, resolution="1920x1080")["task_id"]
    end(task_id, "completed")
    Video.objects.filter(pk=task_id).update(
        width=1920, height=1080, fps=25.0, seconds=60.0, source_width=1280, source_height=720, source_fps=25.0, source_clips=10, speed=0.994
    )

    result = consumer.task(task_id)["result"]

    assert (result["width"], result["height"], result["duration"]) == (1920, 1080, 60.0)
    assert result["source"] == {"model": "video-01", "width": 1280, "height": 720, "fps": 25.0, "clips": 10, "speed": 0.994}


def test_a_result_of_the_time_before_plans_is_its_own_source(consumer):
    task_id = consumer.generate()["task_id"]
    end(task_id, "completed")

    assert consumer.task(task_id)["result"]["source"] == {
        "model": "video-01", "width": 1280, "height": 720, "fps": 25.0, "clips": 1, "speed": 1.0,
    }  # fmt: skip


def test_the_model_of_a_source_is_the_one_that_was_meant_when_the_task_was_created(consumer):
    task_id = consumer.generate(model="minimax-h3")["task_id"]
    end(task_id, "completed")

    assert consumer.task(task_id)["result"]["source"]["model"] == "MiniMax-H3"
