from decimal import Decimal
from io import BytesIO
from pathlib import Path

import av
import pytest

from tasks.models import TaskEvent
from tests.support.clips import make_mp4
from tests.support.marks import SOAK_ON_SQLITE

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite, *SOAK_ON_SQLITE]


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


def test_a_clip_that_is_what_was_asked_for_is_delivered_as_it_came(consumer, driver, media):
    task_id = consumer.generate()["task_id"]

    driver.finish(task_id)

    result = consumer.task(task_id)["result"]
    [path] = Path(media).rglob("video-*.mp4")
    with av.open(BytesIO(make_mp4(1280, 720, 6.0))) as clip, av.open(str(path)) as video:
        packets = [[bytes(packet) for packet in file.demux(video=0) if packet.size] for file in (clip, video)]
    assert packets[0] == packets[1]
    assert result["size_bytes"] == path.stat().st_size
    assert result["source"] == {"model": "video-01", "width": 1280, "height": 720, "fps": 25.0, "clips": 1, "speed": 1.0}


@pytest.mark.parametrize(("resolution", "size"), [("720x480", (720, 480)), ("1920x1080", (1920, 1080))])
def test_the_result_has_the_size_and_length_that_were_asked_for(consumer, driver, media, resolution, size):
    task_id = consumer.generate(duration=1, resolution=resolution)["task_id"]

    driver.finish(task_id)

    result = consumer.task(task_id)["result"]
    [path] = Path(media).rglob("video-*.mp4")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (result["width"], result["height"]) == (stream.width, stream.height) == size
        assert stream.frames == 25
    assert (result["duration"], result["fps"]) == (1.0, 25.0)
    assert result["source"]["width"] == 1280


def test_the_01_models_are_asked_for_neither_duration_nor_resolution(consumer, driver, minimax):
    task_id = consumer.generate()["task_id"]

    driver.finish(task_id)

    assert set(minimax.creates[0].json) == {"model", "prompt"}
