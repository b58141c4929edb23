"""Videos of any length and size: clips that go on from one another, each kept until nobody needs it any more."""

from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

import av
import pytest

from conduit import clock
from tasks.models import Task
from tests.support import frame_numbers
from tests.support.driving import STEPS_MAX, Driver
from videos import cleanup, provider_cancellation
from videos.minimax.sandbox import Sandbox
from videos.models import Clip, ClipState, Video

pytestmark = pytest.mark.django_db


def made(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [entry for entry in sandbox.log() if entry["call"] == "create" and entry.get("task_id")]


def delivered(media: Path, task_id: str) -> list[int | None]:
    """The numbers of all frames of a task's video."""
    [path] = (media / "tasks" / task_id).glob("video-*.mp4")
    with av.open(str(path)) as container:
        return [frame_numbers.read(frame) for frame in container.decode(video=0)]


def until_ready(driver: Driver, task_id: str, *, clips: int) -> None:
    """Steps until so many of its clips are there."""
    for _ in range(STEPS_MAX):
        if Clip.objects.filter(video_id=task_id, state=ClipState.READY).count() >= clips:
            return
        driver.step(task_id)
    raise AssertionError(f"{Task.objects.get(pk=task_id)} never has {clips} clips")


@pytest.mark.parametrize(
    ("model", "duration", "resolution", "clips", "frames"),
    [
        ("minimax-video", 7, "720x480", 2, 175),
        ("minimax-h3", 2, "720x1280", 1, 48),
        pytest.param("minimax-video", 7, "1280x720", 2, 175, marks=pytest.mark.soak),
        pytest.param("minimax-h3", 5, "720x1280", 1, 120, marks=pytest.mark.soak),
        pytest.param("minimax-video", 4, "720x480", 1, 100, marks=pytest.mark.soak),
        pytest.param("minimax-video", 12, "720x480", 2, 299, marks=pytest.mark.soak),
        pytest.param("minimax-hailuo-02", 11, "720x480", 2, 264, marks=pytest.mark.soak),
        pytest.param("minimax-h3", 16, "720x480", 2, 383, marks=pytest.mark.soak),
    ],
)
def test_a_video_of_any_length_shows_every_frame_once(consumer, driver, sandbox, media, ledger, model, duration, resolution, clips, frames):
    task_id = consumer.generate(model=model, duration=duration, resolution=resolution)["task_id"]

    driver.finish(task_id)

    task = consumer.task(task_id)
    result = task["result"]
    numbers = delivered(media, task_id)
    assert numbers == list(range(frames))
    assert f"{result['width']}x{result['height']}" == resolution
    assert result["duration"] == pytest.approx(duration, abs=1 / result["fps"])
    assert result["source"]["clips"] == clips == len(made(sandbox))
    assert [entry for entry, _ in ledger(task_id)] == ["hold", "capture"]


def test_each_clip_goes_on_from_the_last_with_the_sibling_that_takes_a_frame(consumer, driver, sandbox):
    task_id = consumer.generate(duration=13)["task_id"]

    until_ready(driver, task_id, clips=3)

    assert [clip.upstream for clip in Clip.objects.filter(video_id=task_id).order_by("number")] == ["video-01", "I2V-01", "I2V-01"]
    assert [job["model"] for job in reversed(sandbox.jobs())] == ["video-01", "I2V-01", "I2V-01"]


def test_an_upright_video_begins_with_an_upright_image(consumer, driver, sandbox, media):
    task_id = consumer.generate(duration=1, resolution="720x1280")["task_id"]

    driver.finish(task_id)

    result = consumer.task(task_id)["result"]
    image, clip = Clip.objects.filter(video_id=task_id).order_by("number")
    assert (image.makes, clip.makes, clip.upstream) == ("image", "video", "I2V-01")
    assert (clip.width < clip.height, result["width"], result["height"]) == (True, 720, 1280)
    assert delivered(media, task_id) == list(range(25))
    assert result["source"]["clips"] == 1
    assert {image.billed, clip.billed} == {image.cost, clip.cost}


def test_what_minimax_bills_is_what_the_task_says_that_it_bills(consumer, driver, sandbox):
    task_ids = [
        consumer.generate(model=model, duration=duration, resolution=resolution)["task_id"]
        for model, duration, resolution in [("minimax-video", 7, "720x1280"), ("minimax-h3", 5, "720x480")]
    ]

    for task_id, clips in zip(task_ids, (3, 1), strict=True):  # an image is one too
        until_ready(driver, task_id, clips=clips)

    assert sum(clip.billed for clip in Clip.objects.all()) == Decimal(str(sandbox.bill()["total_usd"]))


@pytest.mark.parametrize(("seconds", "frames"), [(6, 146), pytest.param(12, 291, marks=pytest.mark.soak)])
def test_clips_that_are_a_little_short_are_spread_and_the_result_says_so(consumer, driver, sandbox, media, seconds, frames):
    task_id = consumer.generate("a cat [sandbox: frames=-4]", duration=seconds, resolution="720x480")["task_id"]

    driver.finish(task_id)

    result = consumer.task(task_id)["result"]
    assert delivered(media, task_id) == list(range(frames))
    assert (result["duration"], result["fps"]) == (pytest.approx(seconds, abs=0.05), pytest.approx(frames / seconds, abs=0.001))
    assert result["source"]["speed"] == pytest.approx(frames / seconds / 25, abs=0.001)


def test_clips_that_are_far_too_short_are_made_up_for_by_a_further_one_that_costs_the_customer_nothing(consumer, driver, sandbox, media):
    task_id = consumer.generate("a cat [sandbox: frames=-30]", duration=6, resolution="720x480")["task_id"]

    driver.finish(task_id)

    task = consumer.task(task_id)
    assert (task["status"], task["cost"]["charged"]) == ("completed", task["cost"]["estimated"])
    assert delivered(media, task_id) == list(range(150))
    assert task["result"]["source"]["clips"] == 2


def test_clips_that_never_suffice_fail_the_task_in_words_that_say_so(consumer, driver, sandbox):
    task_id = consumer.generate("a cat [sandbox: frames=-140]", duration=6, resolution="720x480")["task_id"]

    task = driver.finish(task_id)

    assert (task.status, task.error_code, task.charged) == ("failed", "invalid_video", 0)
    assert "too short" in task.error
    assert len(made(sandbox)) == 3


# ---- Clips outlive failures -----------------------------------------------------------------------------------------------


def failed_at_its_second_clip(consumer: Any, driver: Any, sandbox: Sandbox, **wanted: Any) -> Task:
    task_id = consumer.generate(**wanted)["task_id"]
    until_ready(driver, task_id, clips=1)
    sandbox.fault("create", "fail=1027")
    task = driver.finish(task_id)
    assert (task.status, task.error_code) == ("failed", "content_policy_violation")
    return task


def test_a_retry_takes_over_the_good_clips_and_pays_minimax_only_for_what_is_missing(consumer, driver, sandbox, media):
    original = failed_at_its_second_clip(consumer, driver, sandbox, duration=13, resolution="720x480")
    cleanup.remove_leftovers()

    retried = consumer.post(f"/v1/video/generations/{original.pk}/retry").json()["task_id"]
    driver.finish(retried)

    assert consumer.task(retried)["result"]["source"]["clips"] == 3
    assert delivered(media, retried) == list(range(325))
    assert len(made(sandbox)) == 4  # one good and one failed of the original, two of the retry
    first, *others = Clip.objects.filter(video_id=retried).order_by("number")
    assert (first.taken_from.video_id, first.billed) == (original.pk, 0)
    assert [clip.taken_from for clip in others] == [None, None]
    assert list(Clip.objects.filter(video_id=original.pk).order_by("number").values_list("state", flat=True)) == [
        "ready",
        "failed",
        "planned",
    ]


def test_the_files_of_a_failed_task_go_when_neither_it_nor_a_retry_needs_them(consumer, driver, sandbox, media, settings):
    original = failed_at_its_second_clip(consumer, driver, sandbox, duration=13, resolution="720x480")
    retried = consumer.post(f"/v1/video/generations/{original.pk}/retry").json()["task_id"]
    driver.step(retried)
    settings.FAILED_CLIPS_SECONDS = 0

    cleanup.remove_leftovers()
    needed = sorted(path.name.split("-")[0] for path in (media / "tasks" / str(original.pk)).iterdir())
    driver.finish(retried)
    while Video.objects.unswept(clock.now()).exists():
        cleanup.remove_leftovers()

    assert needed == ["clip", "frame"]
    assert sorted(path.name.split("-")[0] for path in media.rglob("*") if path.is_file()) == ["thumbnail", "video"]


def test_a_clip_that_minimax_failed_for_no_reason_is_ordered_anew_once_others_are_ready(consumer, driver, sandbox, media):
    task_id = consumer.generate(duration=7, resolution="720x480")["task_id"]
    until_ready(driver, task_id, clips=1)
    sandbox.fault("create", "fail=1000")

    driver.finish(task_id)

    assert consumer.task(task_id)["status"] == "completed"
    assert delivered(media, task_id) == list(range(175))
    assert Decimal(str(sandbox.bill()["total_usd"])) == 2 * Clip.objects.filter(video_id=task_id).first().cost


def test_a_clip_that_the_storage_lost_is_fetched_again_and_not_made_again(consumer, driver, sandbox, media):
    task_id = consumer.generate(duration=7, resolution="720x480")["task_id"]
    until_ready(driver, task_id, clips=2)
    for path in (media / "tasks" / task_id).glob("clip-*"):
        path.unlink()

    driver.finish(task_id)

    assert delivered(media, task_id) == list(range(175))
    assert len(made(sandbox)) == 2


def test_a_frame_that_the_storage_lost_is_taken_from_its_clip_again(consumer, driver, sandbox, media):
    task_id = consumer.generate(duration=7, resolution="720x480")["task_id"]
    until_ready(driver, task_id, clips=1)
    for path in (media / "tasks" / task_id).glob("frame-*"):
        path.unlink()

    driver.finish(task_id)

    assert delivered(media, task_id) == list(range(175))
    assert len(made(sandbox)) == 2


def test_a_cancelled_chain_costs_the_share_that_was_sent(consumer, driver, sandbox):
    task_id = consumer.generate(duration=18, resolution="1280x720")["task_id"]
    until_ready(driver, task_id, clips=1)

    cancelled = consumer.delete(f"/v1/video/generations/{task_id}").json()

    assert cancelled["cost"] == {"estimated": "0.6000", "held": "0.0000", "charged": "0.2000", "currency": "USD"}


# ---- What only V2 can -----------------------------------------------------------------------------------------------------


def test_a_create_whose_answer_was_lost_is_found_in_the_list_and_not_paid_twice(consumer, driver, sandbox, media):
    task_id = consumer.generate("a cat [sandbox: create lost]", model="minimax-h3", duration=4, resolution="720x480")["task_id"]

    driver.finish(task_id)

    assert consumer.task(task_id)["status"] == "completed"
    assert len(sandbox.jobs()) == 1


def test_a_lost_create_is_not_looked_for_while_the_list_could_mistake_another_for_it(consumer, driver, sandbox):
    other = consumer.generate("a dog", model="minimax-h3", duration=4, resolution="720x480")["task_id"]
    driver.step(other)
    [accepted] = Clip.objects.filter(video_id=other).values("state", "submitted_at", "provider_task_id")
    Clip.objects.filter(video_id=other).update(state=ClipState.SUBMITTING, submitted_at=None, provider_task_id="")
    lost = consumer.generate("a cat [sandbox: create lost]", model="minimax-h3", duration=4, resolution="720x480")["task_id"]
    driver.step(lost)

    waiting = driver.step(lost)
    Clip.objects.filter(video_id=other).update(**accepted)
    Task.objects.filter(pk=lost).update(next_step_at=clock.now())
    driver.step(lost)

    assert (waiting.status, (waiting.next_step_at - clock.now()).total_seconds() > 20) == ("queued", True)
    found = Clip.objects.get(video_id=lost).provider_task_id
    assert found not in ("", accepted["provider_task_id"])
    assert len(sandbox.jobs()) == 2


def test_a_queued_job_of_a_cancelled_task_is_cancelled_at_minimax_and_not_billed(consumer, driver, settings, tmp_path):
    with Sandbox(tmp_path / "slow", time_scale=1, clip_scale=8) as sandbox:
        settings.MINIMAX_BASE_URL, settings.MINIMAX_API_KEY = sandbox.url, sandbox.api_key
        task_id = consumer.generate(model="minimax-h3", duration=4)["task_id"]
        driver.until(task_id, ClipState.SUBMITTED)

        consumer.delete(f"/v1/video/generations/{task_id}")
        provider_cancellation.cancel_jobs(Task.objects.get(pk=task_id).pk)

        clip = Clip.objects.get(video_id=task_id)
        assert clip.called_off_at is not None
        assert (clip.billed, Decimal(str(sandbox.bill()["total_usd"]))) == (0, 0)
        assert not Clip.objects.to_cancel_at_provider().exists()


# ---- What a watcher sees --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("duration", "resolution"),
    [(7, "720x480"), (1, "720x1280"), pytest.param(7, "720x1280", marks=pytest.mark.soak)],
    ids=["two clips", "an image and its clip", "an image and two clips"],
)
def test_progress_only_rises_over_the_whole_life_of_a_chain_and_its_stages_follow_its_clips(
    consumer, driver, sandbox, duration, resolution
):
    task_id = consumer.generate(duration=duration, resolution=resolution)["task_id"]
    seen = [consumer.task(task_id)]
    while driver.step(task_id).is_active:
        seen.append(consumer.task(task_id))
    done = consumer.task(task_id)

    progress = [task["progress"] for task in seen]
    assert progress == sorted(progress)
    assert max(progress) < 100 == done["progress"]
    stages = [stage for stage, _ in groupby(task["stage"] for task in seen)]
    assert stages[0] == "queued"
    assert stages[-2:] == ["downloading", "assembling"]
    assert set(stages[1:-2]) <= {"preparing", "waiting_at_provider", "generating"}
    assert stages.count("downloading") == stages.count("assembling") == 1
    assert all(task["eta_seconds"] <= seen[0]["eta_seconds"] + 1 for task in seen)
    assert seen[-1]["eta_seconds"] < seen[0]["eta_seconds"]


def test_the_image_that_was_made_is_no_longer_waited_for(consumer, driver, sandbox, settings):
    settings.MINIMAX_TIME_SCALE = 1
    task_id = consumer.generate(duration=3, resolution="720x1280")["task_id"]
    image_and_clip = consumer.task(task_id)["eta_seconds"]

    driver.step(task_id)

    assert consumer.task(task_id)["eta_seconds"] <= image_and_clip - 20 + 1


def test_a_task_that_cannot_be_laid_out_stays_with_the_provider_lane_and_fails_at_the_limit(
    consumer, driver, sandbox, settings, time_travel
):
    time_travel.move_to(clock.now(), tick=True)
    task_id = consumer.generate()["task_id"]
    Video.objects.filter(pk=task_id).update(plan={})

    waiting = driver.step(task_id)
    time_travel.shift(settings.QUEUED_SECONDS_MAX + 1)

    assert (waiting.lane, waiting.last_error_code) == ("provider", "internal_error")
    assert driver.finish(task_id).error_code == "queue_timeout"
