"""The console shows how a video is made, and what was earned with it."""

import re
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


def test_the_page_of_a_video_shows_its_plan(page, consumer):
    task_id = consumer.generate(duration=17, resolution="1080x1920")["task_id"]

    text = page(f"videos/video/{task_id}/change/")

    assert text.count("<td>image-01</td>") == 1
    assert text.count("<td>I2V-01</td>") == 3
    begins = re.findall(r"<td>(the prompt|the image|the end of the one before)</td>", text)
    assert begins == ["the prompt", "the image", "the end of the one before", "the end of the one before"]
    assert "Each is 720x1280 at 25 frames a second." in text
    assert "3 clips joined, trimmed from 18 s to 17 s, scaled up to 150.0%" in text
    assert "1.2935" in text  # planned cost: three clips and an image


def test_what_a_prompt_or_model_is_called_is_shown_as_text(page, consumer):
    task_id = consumer.generate("<script>alert(1)</script>")["task_id"]

    assert "<script>alert(1)" not in page(f"videos/video/{task_id}/change/") + page("videos/video/")


def test_the_page_of_a_video_shows_what_was_earned(page, consumer):
    text = page(f"videos/video/{of(consumer, 'completed', billed=['0.43', '0.43'], duration=12)}/change/")

    for money in ("0.4000", "0.8600", "-0.4600"):  # charged, billed, margin
        assert f'<div class="readonly">{money}</div>' in text


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
