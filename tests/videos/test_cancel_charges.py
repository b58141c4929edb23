"""What a cancelled video costs: the share of its price that was already sent to MiniMax."""

import pytest

from conduit import clock
from tests.support.marks import SOAK_ON_SQLITE
from tests.support.planned_clips import planned_clip

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite, *SOAK_ON_SQLITE]

SENT = {"state": "submitted", "sent_at": clock.now(), "provider_task_id": "7"}
READY = SENT | {"state": "ready"}


def charged(consumer, wanted, *clips):
    """What a cancel charges of a video of which so many clips stand so."""
    task = consumer.generate(**wanted)
    for number, fields in enumerate(clips):
        planned_clip(task["task_id"], number, **fields)
    return consumer.delete(f"/v1/video/generations/{task['task_id']}").json()["cost"]["charged"]


@pytest.mark.parametrize(
    ("wanted", "clips", "expected"),
    [
        ({"duration": 60}, [], "0.0000"),
        ({"duration": 60}, [{}] * 10, "0.0000"),  # planned, none sent
        ({"duration": 60}, [SENT], "0.2000"),
        ({"duration": 60}, [{"state": "submitting", "sent_at": clock.now()}], "0.2000"),  # MiniMax may have accepted it
        ({"duration": 60}, [READY, READY, READY, SENT, {}], "0.8000"),
        ({"duration": 60}, [READY] * 9 + [SENT], "2.0000"),
        ({"duration": 17}, [READY], "0.1889"),  # a third of 0.5667, half up
        ({"duration": 17, "model": "minimax-h3"}, [READY], "0.8700"),  # 9 of 17 seconds of 1.6433
        ({"duration": 7, "model": "minimax-hailuo-02"}, [SENT], "0.6767"),  # one clip of ten seconds is all of it
    ],
)
def test_a_cancel_charges_for_the_seconds_that_were_sent(consumer, wanted, clips, expected):
    assert charged(consumer, wanted, *clips) == expected


def test_a_first_image_alone_costs_nothing(consumer):
    assert charged(consumer, {"duration": 12, "resolution": "720x1280"}, READY) == "0.0000"
    assert charged(consumer, {"duration": 12, "resolution": "720x1280"}, READY, SENT) == "0.2000"


def test_clips_beyond_the_plan_cost_nothing_more(consumer):
    task_id = consumer.generate(duration=12)["task_id"]
    first, _ = (planned_clip(task_id, number, **READY) for number in range(2))
    first.pk, first.number = None, 2
    first.save(force_insert=True)

    assert consumer.delete(f"/v1/video/generations/{task_id}").json()["cost"]["charged"] == "0.4000"


def test_a_clip_that_was_taken_over_counts_as_sent(consumer):
    original = planned_clip(consumer.generate(duration=12)["task_id"], **READY)

    assert charged(consumer, {"duration": 12}, {"taken_from": original, "state": "made", "provider_task_id": "7"}) == "0.2000"


@pytest.mark.parametrize(("setting", "expected"), [("nothing", "0.0000"), ("submitted", "0.2000"), ("all", "0.4000")])
def test_the_setting_decides(consumer, settings, setting, expected):
    settings.CANCEL_CHARGES = setting

    assert charged(consumer, {"duration": 12}, SENT) == expected
