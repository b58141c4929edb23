from decimal import Decimal
from pathlib import Path

import av
import pytest

from tasks.models import TaskEvent

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def test_a_prompt_becomes_a_video_that_is_stored_and_charged_once(consumer, driver, minimax, ledger, media):
    task_id = consumer.generate("a cat on a bicycle")["task_id"]

    driver.finish(task_id)

    task = consumer.task(task_id)
    assert (task["status"], task["progress"], task["stage"], task["eta_seconds"]) == ("completed", 100, "completed", None)
    assert task["cost"] == {"estimated": "0.2000", "held": "0.0000", "charged": "0.2000", "currency": "USD"}
    assert ledger(task_id) == [("hold", Decimal("0.2")), ("capture", Decimal("0.2"))]
    assert [event.status for event in TaskEvent.objects.filter(task_id=task_id)] == ["queued", "processing", "completed"]
    assert len(minimax.creates) == 1
    assert minimax.creates[0].json["prompt"] == "a cat on a bicycle"


def test_the_result_tells_what_the_file_is_and_not_what_was_asked(consumer, driver, media):
    task_id = consumer.generate(duration=10, resolution="1920x1080")["task_id"]

    driver.finish(task_id)

    result = consumer.task(task_id)["result"]
    [path] = Path(media).rglob("video-*.mp4")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (result["width"], result["height"]) == (stream.width, stream.height) == (160, 90)
        assert result["duration"] == pytest.approx(float(container.duration) / av.time_base, abs=0.05)
    assert result["size_bytes"] == path.stat().st_size


def test_the_01_models_are_asked_for_neither_duration_nor_resolution(consumer, driver, minimax):
    task_id = consumer.generate(duration=10, resolution="1920x1080")["task_id"]

    driver.finish(task_id)

    assert set(minimax.creates[0].json) == {"model", "prompt"}
