"""What follows each way in which asking, locating and fetching can go wrong: the clip is never made again."""

import errno
from decimal import Decimal
from pathlib import Path
from unittest import mock

import pytest
from django.core.files.storage import FileSystemStorage

from conduit import clock
from tests.support.lookalike import Answer
from videos.models import ClipState

pytestmark = pytest.mark.django_db

# One of each kind: ask again, slow down, the operator's key or balance, unheard of. The client's tests sort all codes into these.
PASSING_CODES = (1000, 1002, 1004, 1008, 4711)


@pytest.mark.parametrize("status", ["Fail", "Failed", "FAILED", "fail"])
def test_a_job_that_minimax_failed_fails_the_task_without_a_charge(consumer, driver, minimax, status):
    minimax.always("query", Answer(status=status))

    task = driver.finish(consumer.generate()["task_id"])

    assert (task.status, task.error_code, task.charged) == ("failed", "provider_error", 0)


@pytest.mark.parametrize("code", [1026, 1027])
def test_a_verdict_of_the_content_policy_during_the_job_is_told_as_such(consumer, driver, minimax, code):
    minimax.always("query", Answer(status="Fail", code=code))
    task_id = consumer.generate()["task_id"]

    driver.finish(task_id)

    task = consumer.task(task_id)
    assert (task["status"], task["error_code"]) == ("failed", "content_policy_violation")
    assert "content policy" in task["error"]
    assert "look-alike says no" not in task["error"]


# In what way an answer fails is the client's to tell, of all calls alike (tests/videos/minimax/test_client_codes.py): of the second
# call one of each way is enough.
PASSING = [
    *[Answer(code=code) for code in PASSING_CODES],
    Answer(cut_after=0),
    Answer(cut_after=10),
    Answer(http=500, body=b"<html>"),
    Answer(http=429, body=b"slow down"),
    Answer(body=b"<html>hello</html>"),
]
ONE_OF_EACH_WAY = (PASSING[0], Answer(cut_after=0), Answer(http=500, body=b"<html>"), Answer(body=b"<html>hello</html>"))


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        *[("query", answer) for answer in PASSING],
        *[pytest.param("retrieve", answer, marks=() if answer in ONE_OF_EACH_WAY else pytest.mark.soak) for answer in PASSING],
    ],
)
def test_a_call_that_fails_for_a_while_is_asked_again_and_the_task_completes(consumer, driver, minimax, call, answer):
    minimax.next(call, answer, answer)

    task = driver.finish(consumer.generate()["task_id"])

    assert task.status == "completed"
    assert len(minimax.creates) == 1


def test_an_unknown_status_means_still_running(consumer, driver, minimax):
    minimax.next("query", *[Answer(status="Dreaming")] * 3)

    assert driver.finish(consumer.generate()["task_id"]).status == "completed"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(http=403, body=b"expired"),
        Answer(http=404, body=b""),
        Answer(cut_after=500),
        Answer(body=b"<html>not a video</html>", headers={"Content-Type": "text/html"}),
        Answer(http=500, body=b""),
    ],
)
def test_a_download_that_fails_is_tried_again_with_a_fresh_link(consumer, driver, minimax, media, answer):
    minimax.next("download", answer, answer)

    task = driver.finish(consumer.generate()["task_id"])

    assert task.status == "completed"
    assert len(minimax.calls("retrieve")) == 3
    assert len(minimax.creates) == 1
    assert len(list(Path(media).rglob("clip-*"))) == 1


def test_a_wrong_key_while_the_job_runs_shows_in_the_stage_and_costs_no_task(consumer, driver, minimax):
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.SUBMITTED)
    minimax.next("query", Answer(code=1004))
    driver.step(task_id)

    waiting = consumer.task(task_id)

    assert (waiting["status"], waiting["stage"]) == ("processing", "waiting_for_provider_key")
    assert driver.finish(task_id).status == "completed"


def test_a_job_that_never_ends_fails_at_the_limit_and_releases_the_money(consumer, driver, minimax, ledger, settings, time_travel):
    time_travel.move_to(clock.now(), tick=True)
    minimax.always("query", Answer(status="Processing"))
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.SUBMITTED)
    time_travel.shift(settings.GENERATING_SECONDS_MAX + 1)

    task = driver.finish(task_id)

    assert (task.status, task.error_code) == ("failed", "generation_timeout")
    assert ledger(task_id)[-1] == ("release", Decimal("0.2"))


def test_a_job_that_was_finished_while_nobody_looked_is_delivered_even_after_the_limit(consumer, driver, minimax, settings, time_travel):
    time_travel.move_to(clock.now(), tick=True)
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.SUBMITTED)
    minimax.always("query", Answer(status="Success"))
    time_travel.shift(settings.GENERATING_SECONDS_MAX + 1)

    assert driver.finish(task_id).status == "completed"


def test_a_provider_error_that_lasts_to_the_limit_is_the_reason_given(consumer, driver, minimax, settings, time_travel):
    time_travel.move_to(clock.now(), tick=True)
    minimax.always("query", Answer(code=1000))
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.SUBMITTED)
    time_travel.shift(settings.GENERATING_SECONDS_MAX + 1)

    assert driver.finish(task_id).error_code == "provider_error"


def test_a_rate_limit_to_the_end_is_told_as_the_time_that_it_took(consumer, driver, minimax, settings, time_travel):
    time_travel.move_to(clock.now(), tick=True)
    minimax.always("query", Answer(code=1002))
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.SUBMITTED)
    time_travel.shift(settings.GENERATING_SECONDS_MAX + 1)

    assert driver.finish(task_id).error_code == "generation_timeout"


def test_a_clip_that_cannot_be_fetched_fails_at_the_limit_of_delivery(consumer, driver, minimax, settings, time_travel):
    time_travel.move_to(clock.now(), tick=True)
    minimax.always("download", Answer(http=500, body=b""))
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.LOCATED)
    time_travel.shift(settings.DELIVERY_SECONDS_MAX + 1)

    assert driver.finish(task_id).error_code == "delivery_timeout"


@pytest.mark.parametrize("state", [ClipState.LOCATED, ClipState.STORED])
def test_a_full_disk_delays_the_task_and_the_clip_is_not_made_again(consumer, driver, minimax, media, state):
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, state)
    with mock.patch.object(FileSystemStorage, "_save", side_effect=OSError(errno.ENOSPC, "No space left on device")):
        seen = {(task.status, task.stage) for task in (driver.step(task_id) for _ in range(6))}

    task = driver.finish(task_id)

    assert ("processing", "waiting_for_storage") in seen
    assert task.status == "completed"
    assert len(minimax.creates) == 1


@pytest.mark.parametrize(
    "file",
    [
        {"download_url": "http://127.0.0.1/\0.mp4"},
        {"download_url": "http://127.0.0.1/\ud800.mp4"},
        {"download_url": "http://127.0.0.1/" + "x" * 5000},
        {"download_url": 7},
        {"bytes": 10**30},
    ],
)
def test_an_answer_that_no_column_can_hold_is_asked_for_again(consumer, driver, minimax, file):
    fields = {"file": {"file_id": "1", "bytes": 0, "download_url": "http://127.0.0.1:9/x.mp4"} | file}
    minimax.next("retrieve", Answer(fields=fields))

    assert driver.finish(consumer.generate()["task_id"]).status == "completed"


def test_an_error_of_our_own_waits_and_ends_at_the_limit(consumer, driver, settings, time_travel):
    time_travel.move_to(clock.now(), tick=True)
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.MADE)
    with mock.patch("videos.minimax.v1.MiniMaxV1.locate", side_effect=ZeroDivisionError):
        waiting = driver.step(task_id)
        time_travel.shift(settings.DELIVERY_SECONDS_MAX + 1)
        task = driver.finish(task_id)

    assert (waiting.status, waiting.last_error_code) == ("processing", "internal_error")
    assert (task.status, task.error_code) == ("failed", "delivery_timeout")


def test_a_storage_that_loses_every_clip_pauses_between_downloads_and_ends_at_the_limit(
    consumer, driver, minimax, media, settings, time_travel
):
    time_travel.move_to(clock.now(), tick=True)
    settings.RETRY_SECONDS = 2.0
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.STORED)
    for path in Path(media).rglob("clip-*"):
        path.unlink()

    lost = driver.step(task_id)

    assert (lost.next_step_at - clock.now()).total_seconds() > 20
    time_travel.shift(settings.DELIVERY_SECONDS_MAX + 1)
    driver.until(task_id, ClipState.STORED)
    for path in Path(media).rglob("clip-*"):
        path.unlink()
    assert driver.step(task_id).error_code == "delivery_timeout"


def test_links_that_are_always_dead_are_asked_for_with_growing_pauses(consumer, driver, minimax, settings):
    minimax.always("download", Answer(http=403, body=b""))
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.LOCATED)
    settings.RETRY_SECONDS = 2.0
    driver.step(task_id)
    driver.until(task_id, ClipState.LOCATED)

    task = driver.step(task_id)

    assert (task.next_step_at - clock.now()).total_seconds() > 5


def test_a_clip_that_the_storage_lost_is_fetched_again(consumer, driver, minimax, media):
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.STORED)
    for path in Path(media).rglob("clip-*"):
        path.unlink()

    assert driver.finish(task_id).status == "completed"
    assert len(minimax.creates) == 1


def test_a_clip_that_is_no_playable_video_fails_the_task_with_a_code(consumer, driver, minimax, media):
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.STORED)
    [path] = Path(media).rglob("clip-*")
    path.write_bytes(path.read_bytes()[:200])

    task = driver.finish(task_id)

    assert (task.status, task.error_code, task.charged) == ("failed", "invalid_video", 0)


def test_the_second_host_is_tried_when_the_first_fails(consumer, driver, minimax):
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.SUBMITTED)
    minimax.link_uses = None
    hosts = {"file_id": "1", "bytes": 0, "download_url": "http://127.0.0.1:9/x.mp4", "backup_download_url": minimax.link(minimax.jobs[0])}
    minimax.always("retrieve", Answer(fields={"file": hosts}))

    assert driver.finish(task_id).status == "completed"
