"""The console lists videos with what was earned with each."""

from decimal import Decimal

import pytest

from tests.support.ending import end
from tests.support.planned_clips import planned_clip

pytestmark = pytest.mark.django_db


def of(consumer, status, *, billed, **wanted):
    """A task that ended so, of whose clips MiniMax billed these."""
    task = end(consumer.generate(**wanted)["task_id"], status)
    for number, cost in enumerate(billed):
        planned_clip(task.pk, number, state="made", provider_task_id=str(number), billed=Decimal(cost))
    return task.pk


def test_what_a_prompt_or_model_is_called_is_shown_as_text(page, consumer):
    task_id = consumer.generate("<script>alert(1)</script>")["task_id"]

    assert "<script>alert(1)" not in page(f"videos/video/{task_id}/change/") + page("videos/video/")


def test_the_list_of_videos_shows_each_margin_and_the_total(page, consumer):
    of(consumer, "completed", billed=["0.12"], duration=6)
    of(consumer, "failed", billed=["0.05"])
    of(consumer, "cancelled", billed=[])
    consumer.generate()

    text = page("videos/video/")

    assert "charged 0.2000 USD, MiniMax bills 0.1700 USD, margin 0.0300 USD" in text
    margins = [part.split("<")[0] for part in text.split('field-margin">')[1:]]
    assert sorted(margins) == ["-", "-0.0500", "0.0000", "0.0800"]  # the one under way is not charged yet


def test_the_total_is_of_what_the_filters_leave(page, consumer):
    of(consumer, "completed", billed=["0.12"])
    of(consumer, "failed", billed=["0.05"])

    assert "charged 0.0000 USD, MiniMax bills 0.0500 USD, margin -0.0500 USD" in page("videos/video/?task__status__exact=failed")
    assert "charged 0.0000 USD, MiniMax bills 0.0000 USD, margin 0.0000 USD" in page("videos/video/?q=nothing-like-it")
