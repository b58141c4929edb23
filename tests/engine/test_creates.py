"""What follows each way in which posting a job to MiniMax can end."""

from decimal import Decimal

import pytest

from conduit import clock
from tests.support.clips import make_mp4
from tests.support.lookalike import Answer
from videos.models import Clip, ClipState, Video

pytestmark = pytest.mark.django_db

CUT = Answer(cut_after=0, accepted=True)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(code=1026), "content_policy_violation"),
        (Answer(code=1027), "content_policy_violation"),
        (Answer(code=2013), "invalid_request"),
        (Answer(code=1042), "invalid_request"),
        (Answer(code="2013"), "invalid_request"),
        (Answer(http=400, body=b"<html>"), "invalid_request"),
    ],
)
def test_a_verdict_on_the_request_fails_the_task_at_once_and_charges_nothing(consumer, driver, minimax, ledger, answer, code):
    minimax.next("create", answer)
    task_id = consumer.generate()["task_id"]

    driver.finish(task_id)

    task = consumer.task(task_id)
    assert (task["status"], task["error_code"]) == ("failed", code)
    assert ledger(task_id) == [("hold", Decimal("0.2")), ("capture", Decimal("0")), ("release", Decimal("0.2"))]
    assert task["cost"]["charged"] == "0.0000"
    assert len(minimax.creates) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(code=1001, accepted=True),
        CUT,
        Answer(body=b"<html>busy</html>", accepted=True),
        Answer(http=502, body=b"<html>bad gateway</html>", accepted=True),
        Answer(http=504, body=b"", accepted=True),
        Answer(fields={"task_id": ""}, accepted=True),
    ],
)
def test_a_create_that_may_have_been_accepted_is_never_posted_again(consumer, driver, minimax, ledger, settings, answer):
    settings.RECONCILING_SECONDS_MAX = 0
    minimax.next("create", answer)
    task_id = consumer.generate()["task_id"]

    task = driver.finish(task_id)

    assert (task.status, task.error_code) == ("failed", "provider_timeout")
    assert len(minimax.creates) == 1
    assert task.charged == 0


@pytest.mark.parametrize("code", [1000, 1013, 1024, 1033, 7777])
def test_a_create_that_was_refused_with_an_internal_error_is_posted_again_at_most_three_times(consumer, driver, minimax, code):
    minimax.always("create", Answer(code=code))

    task = driver.finish(consumer.generate()["task_id"])

    assert (task.status, task.error_code) == ("failed", "provider_error")
    assert len(minimax.creates) == 4


def test_a_create_that_was_refused_three_times_and_then_accepted_completes(consumer, driver, minimax):
    minimax.next("create", Answer(code=1000), Answer(code=1013), Answer(code=1024))

    task = driver.finish(consumer.generate()["task_id"])

    assert task.status == "completed"
    assert len(minimax.creates) == 4


@pytest.mark.parametrize("code", [1002, 2056])
def test_a_rate_limit_keeps_the_task_queued_in_a_stage_that_says_so_and_never_fails_it(consumer, driver, minimax, code):
    minimax.next("create", *[Answer(code=code)] * 8)
    task_id = consumer.generate()["task_id"]

    driver.step(task_id)
    waiting = consumer.task(task_id)
    task = driver.finish(task_id)

    assert (waiting["status"], waiting["stage"]) == ("queued", "waiting_for_rate_limit")
    assert task.status == "completed"
    assert task.video.clips.get().creates == 1


@pytest.mark.parametrize(
    ("code", "stage", "error_code"),
    [
        (1004, "waiting_for_provider_key", "provider_auth"),
        (2049, "waiting_for_provider_key", "provider_auth"),
        (2038, "waiting_for_provider_key", "provider_auth"),
        (2061, "waiting_for_provider_key", "provider_auth"),
        (1008, "waiting_for_provider_balance", "provider_quota"),
        (1028, "waiting_for_provider_balance", "provider_quota"),
        (1030, "waiting_for_provider_balance", "provider_quota"),
    ],
)
def test_a_wrong_key_or_an_empty_balance_leaves_the_task_waiting_until_the_limit(
    consumer, driver, minimax, settings, time_travel, code, stage, error_code
):
    time_travel.move_to(clock.now(), tick=True)
    minimax.always("create", Answer(code=code))
    task_id = consumer.generate()["task_id"]

    for _ in range(6):
        driver.step(task_id)
    waiting = consumer.task(task_id)
    time_travel.shift(settings.OPERATOR_SECONDS_MAX + 1)
    task = driver.finish(task_id)

    assert (waiting["status"], waiting["stage"]) == ("queued", stage)
    assert (task.status, task.error_code) == ("failed", error_code)


def test_a_task_goes_on_by_itself_once_the_operator_put_the_key_right(consumer, driver, minimax):
    minimax.next("create", Answer(code=1004), Answer(http=401, body=b"{}"))
    task_id = consumer.generate()["task_id"]

    assert driver.finish(task_id).status == "completed"


def test_a_provider_that_cannot_be_reached_at_all_delays_the_task(consumer, driver, minimax, settings):
    address, settings.MINIMAX_BASE_URL = settings.MINIMAX_BASE_URL, "http://127.0.0.1:9"
    task_id = consumer.generate()["task_id"]
    driver.step(task_id)
    assert consumer.task(task_id)["stage"] == "waiting_for_provider"

    settings.MINIMAX_BASE_URL = address

    assert driver.finish(task_id).status == "completed"
    assert len(minimax.creates) == 1


def test_a_create_that_a_dead_process_left_open_fails_with_a_code_that_says_so(consumer, driver, minimax, settings):
    settings.RECONCILING_SECONDS_MAX = 0
    task_id = consumer.generate()["task_id"]
    [planned] = Video.objects.get(pk=task_id).plan["clips"]
    Clip.objects.create(video_id=task_id, number=0, **planned, state=ClipState.SUBMITTING, sent_at=clock.now(), creates=1)

    task = driver.finish(task_id)

    assert (task.status, task.error_code, task.charged) == ("failed", "provider_timeout", 0)
    assert minimax.creates == []


def test_a_task_that_could_not_be_sent_for_too_long_fails_without_being_sent_late(consumer, driver, minimax, settings, time_travel):
    time_travel.move_to(clock.now(), tick=True)
    task_id = consumer.generate()["task_id"]
    time_travel.shift(settings.QUEUED_SECONDS_MAX + 1)

    task = driver.finish(task_id)

    assert (task.status, task.error_code) == ("failed", "queue_timeout")
    assert minimax.creates == []


def test_a_model_that_takes_lengths_is_asked_for_one_that_is_long_enough(consumer, driver, minimax):
    minimax.video = lambda job: make_mp4(342, 192, float(job.fields["duration"]), 24)
    task_id = consumer.generate(model="minimax-hailuo-02", duration=7, resolution="720x480")["task_id"]

    driver.finish(task_id)

    sent = minimax.creates[0].json
    assert (sent["model"], sent["duration"], sent["resolution"]) == ("MiniMax-Hailuo-02", 10, "768P")
    assert consumer.task(task_id)["result"]["duration"] == 7.0
