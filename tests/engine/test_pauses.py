"""What an administrator stops: sending to MiniMax, the media lane."""

import threading
from datetime import timedelta
from uuid import UUID

import pytest

from conduit import clock
from tasks import leases, paused, pauses
from tasks.models import Lane, Pause, PauseKind, Task
from tests.settings import ON_SQLITE
from tests.support.lookalike import Answer
from tests.support.marks import SOAK_ON_SQLITE
from tests.support.racing import in_threads
from videos import engine
from videos.exchange_models import Timing
from videos.models import Clip, ClipState

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite, *SOAK_ON_SQLITE]


def stop(kind=PauseKind.SENDING, **fields):
    return pauses.begin(who="ops", kind=kind, **fields)


def resume(pause=None):
    """End the pause, and let go on what waited for it."""
    if pause:
        pauses.end(pause, who="ops")
    paused.go_on(clock.now())


@pytest.fixture
def running_clock(time_travel):
    time_travel.move_to(clock.now(), tick=True)
    return time_travel


def test_a_task_that_meets_a_pause_waits_and_goes_on_to_completion_when_it_is_over(consumer, driver, minimax):
    pause = stop()
    task_id = consumer.generate()["task_id"]

    driver.step(task_id)
    waiting = consumer.task(task_id)
    resume(pause)
    resumed = consumer.task(task_id)
    done = driver.finish(task_id)

    assert (waiting["status"], waiting["stage"], waiting["waiting_for"], waiting["eta_seconds"]) == ("queued", "paused", "pause", None)
    assert (resumed["status"], resumed["stage"], resumed["waiting_for"]) == ("queued", "queued", None)
    assert resumed["eta_seconds"] > 0
    assert (done.status, len(minimax.creates)) == ("completed", 1)


def test_a_paused_task_is_never_due_and_costs_no_step(consumer, driver, minimax, running_clock):
    stop()
    task_id = consumer.generate()["task_id"]
    before = driver.step(task_id)

    running_clock.shift(timedelta(days=300))
    claimed = leases.claim_due(clock.now(), lane="provider", limit=10)
    paused.go_on(clock.now())
    driver.step(task_id)

    after = Task.objects.get(pk=task_id)
    assert claimed == []
    assert minimax.creates == []
    assert (after.stage, after.attempts, after.updated_at) == ("paused", 0, before.updated_at)
    assert not Task.objects.late(clock.now(), seconds=60).exists()


def test_what_is_at_minimax_is_asked_for_fetched_and_delivered_while_sending_is_paused(consumer, driver):
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.SUBMITTED)
    stop()

    assert driver.finish(task_id).status == "completed"


@pytest.mark.parametrize(
    ("model", "stops_it"), [("video-01", True), ("minimax-video", True), ("minimax-h3", False), ("minimax-hailuo-02", False)]
)
@pytest.mark.parametrize("asked_for", ["video-01", "minimax-video"])
def test_a_pause_of_one_model_holds_its_tasks_under_each_of_its_names_and_no_others(consumer, driver, model, stops_it, asked_for):
    stop(model=model)
    task_id = consumer.generate(model=asked_for)["task_id"]

    assert (driver.step(task_id).stage == "paused") is stops_it


def test_the_end_of_one_pause_frees_nothing_that_another_holds(consumer, driver):
    all_of_it, one_model = stop(), stop(model="video-01")
    task_id = consumer.generate()["task_id"]
    driver.step(task_id)

    resume(all_of_it)
    still = Task.objects.get(pk=task_id).stage
    resume(one_model)

    assert (still, Task.objects.get(pk=task_id).stage) == ("paused", "queued")


def test_a_chain_stops_before_its_next_clip_and_goes_on_from_the_last(consumer, driver, minimax):
    task_id = consumer.generate(duration=7, resolution="720x480")["task_id"]
    while not Clip.objects.filter(video_id=task_id, number=0, state=ClipState.READY).exists():
        driver.step(task_id)
    pause = stop()

    driver.step(task_id)
    waiting = consumer.task(task_id)
    resume(pause)
    resumed = consumer.task(task_id)
    done = driver.finish(task_id)

    assert (waiting["status"], waiting["stage"], waiting["waiting_for"]) == ("processing", "paused", "pause")
    assert waiting["progress"] <= resumed["progress"] < 100
    assert resumed["stage"] == "generating"
    assert (done.status, len(minimax.creates)) == ("completed", 2)


def test_an_image_that_comes_first_is_not_sent_either(consumer, driver, minimax):
    stop()
    task_id = consumer.generate(resolution="720x1280")["task_id"]

    assert driver.step(task_id).stage == "paused"
    assert Clip.objects.filter(video_id=task_id, sent_at=None).count() == 2


def test_a_paused_media_lane_lets_clips_be_made_and_fetched_and_leaves_them_there(consumer, driver, minimax):
    pause = stop(PauseKind.MEDIA)
    task_id = consumer.generate()["task_id"]

    for _ in range(12):
        waiting = driver.step(task_id)
    resume(pause)
    resumed = Task.objects.get(pk=task_id)
    done = driver.finish(task_id)

    assert (waiting.stage, waiting.lane, Clip.objects.get(video_id=task_id).file != "") == ("paused", Lane.MEDIA, True)
    assert (resumed.stage, resumed.next_step_at <= clock.now()) == ("downloading", True)
    assert (done.status, len(minimax.creates)) == ("completed", 1)


def test_a_video_whose_clips_were_looked_into_is_not_assembled_while_the_media_lane_is_paused(consumer, driver):
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.READY)
    pause = stop(PauseKind.MEDIA)

    assert driver.step(task_id).stage == "paused"
    resume(pause)
    assert Task.objects.get(pk=task_id).stage == "assembling"
    assert driver.finish(task_id).status == "completed"


def test_a_pause_of_sending_does_not_hold_the_media_lane_nor_the_reverse(consumer, driver, minimax):
    stop(PauseKind.MEDIA)
    task_id = consumer.generate()["task_id"]

    driver.step(task_id)

    assert len(minimax.creates) == 1


# ---- Until when ---------------------------------------------------------------------------------------------------------


def test_with_an_end_the_time_left_counts_from_it_and_the_pause_ends_by_itself(consumer, driver, running_clock):
    usual = consumer.generate()["eta_seconds"]
    stop(until=clock.now() + timedelta(hours=2))
    task_id = consumer.generate()["task_id"]
    driver.step(task_id)

    waiting = consumer.task(task_id)
    running_clock.shift(timedelta(hours=1))
    later = consumer.task(task_id)
    running_clock.shift(timedelta(hours=1, seconds=1))
    paused.go_on(clock.now())

    assert 7190 <= waiting["eta_seconds"] - usual <= 7210
    assert 3590 <= later["eta_seconds"] - usual <= 3610
    assert waiting["progress"] == later["progress"]
    assert consumer.task(task_id)["stage"] == "queued"
    assert not Pause.objects.exists()
    assert driver.finish(task_id).status == "completed"


def test_another_end_of_a_pause_reaches_the_tasks_that_wait_already(consumer, driver, running_clock):
    pause = stop()
    task_id = consumer.generate()["task_id"]
    driver.step(task_id)

    pauses.change(pause, who="ops", until=clock.now() + timedelta(hours=1))
    paused.go_on(clock.now())
    with_end = consumer.task(task_id)["eta_seconds"]
    pauses.change(pause, who="ops", until=None)
    paused.go_on(clock.now())

    assert with_end > 3600
    assert consumer.task(task_id)["eta_seconds"] is None


# ---- Our own limits -----------------------------------------------------------------------------------------------------


def test_the_limit_of_waiting_stands_still_while_sending_is_paused(consumer, driver, minimax, settings, running_clock):
    task_id = consumer.generate()["task_id"]
    minimax.always("create", Answer(code=1002))
    running_clock.shift(settings.QUEUED_SECONDS_MAX / 2)
    driver.step(task_id)
    pause = stop()
    driver.step(task_id)
    running_clock.shift(settings.QUEUED_SECONDS_MAX * 3)

    resume(pause)
    running_clock.shift(settings.QUEUED_SECONDS_MAX * 0.4)
    within = driver.step(task_id)
    running_clock.shift(settings.QUEUED_SECONDS_MAX * 0.2)
    beyond = driver.step(task_id)

    assert (within.status, within.stage) == ("queued", "waiting_for_rate_limit")
    assert (beyond.status, beyond.error_code) == ("failed", "queue_timeout")


def test_two_pauses_add_up(consumer, driver, settings, running_clock):
    task_id = consumer.generate()["task_id"]
    for _ in range(2):
        pause = stop()
        driver.step(task_id)
        running_clock.shift(settings.QUEUED_SECONDS_MAX)
        resume(pause)

    assert driver.finish(task_id).status == "completed"


def test_the_limit_of_delivery_stands_still_while_the_media_lane_is_paused(consumer, driver, settings, running_clock):
    pause = stop(PauseKind.MEDIA)
    task_id = consumer.generate()["task_id"]
    for _ in range(12):
        driver.step(task_id)
    running_clock.shift(settings.DELIVERY_SECONDS_MAX * 2)

    resume(pause)
    task = driver.finish(task_id)

    assert task.status == "completed"
    assert Timing.objects.get().delivered_in < 60  # what later estimates are made of


def test_the_next_clip_of_a_chain_may_wait_as_long_as_ever_whatever_pauses_there_were_before(consumer, driver, settings, running_clock):
    pause = stop()
    task_id = consumer.generate(duration=11)["task_id"]
    driver.step(task_id)
    running_clock.shift(settings.QUEUED_SECONDS_MAX * 2)
    resume(pause)
    while not Clip.objects.filter(video_id=task_id, number=0, state=ClipState.READY).exists():
        driver.step(task_id)

    assert Task.objects.get(pk=task_id).paused_for == timedelta(0)
    running_clock.shift(settings.QUEUED_SECONDS_MAX + 1)
    assert driver.finish(task_id).error_code == "queue_timeout"


def test_the_limit_of_an_operators_trouble_stands_still_too(consumer, driver, minimax, settings, running_clock):
    minimax.always("create", Answer(code=1004))
    task_id = consumer.generate()["task_id"]
    driver.step(task_id)
    running_clock.shift(settings.OPERATOR_SECONDS_MAX * 0.6)
    pause = stop()
    driver.step(task_id)
    running_clock.shift(settings.OPERATOR_SECONDS_MAX * 2)

    resume(pause)
    within = driver.step(task_id)
    running_clock.shift(settings.OPERATOR_SECONDS_MAX * 0.5)
    beyond = driver.step(task_id)

    assert (within.status, within.stage) == ("queued", "waiting_for_provider_key")
    assert (beyond.status, beyond.error_code) == ("failed", "provider_auth")


# ---- Resuming many, and races -------------------------------------------------------------------------------------------


def test_of_many_that_wait_the_oldest_go_on_first_and_so_many_at_a_time(consumer, driver, monkeypatch):
    pause = stop()
    waiting = [consumer.generate()["task_id"] for _ in range(5)]
    for task_id in waiting:
        driver.step(task_id)
    monkeypatch.setattr(paused, "GO_ON_LIMIT", 2)

    pauses.end(pause, who="ops")
    went_on = []
    for _ in range(4):
        paused.go_on(clock.now())
        went_on.append([str(pk) for pk in Task.objects.filter(stage="queued").order_by("pk").values_list("pk", flat=True)])

    assert went_on == [waiting[:2], waiting[:4], waiting, waiting]


def test_looking_costs_two_queries_while_nothing_is_paused(consumer, django_assert_num_queries):
    consumer.generate()

    with django_assert_num_queries(2):
        paused.go_on(clock.now())


def test_a_step_asks_once_whether_it_is_held_and_once_more_for_the_names_of_a_paused_model(consumer, django_assert_num_queries):
    task = Task.objects.get(pk=consumer.generate()["task_id"])

    with django_assert_num_queries(1):
        assert paused.end_of_hold(task, Lane.PROVIDER) is None
    stop(model="video-01")
    with django_assert_num_queries(2):
        assert paused.end_of_hold(task, Lane.PROVIDER) == paused.NOT_KNOWN


def test_a_paused_task_can_be_cancelled_and_costs_nothing(consumer, driver):
    pause = stop()
    task_id = consumer.generate()["task_id"]
    driver.step(task_id)

    cancelled = consumer.delete(f"/v1/video/generations/{task_id}").json()
    resume(pause)

    assert (cancelled["status"], cancelled["waiting_for"], cancelled["cost"]["charged"]) == ("cancelled", None, "0.0000")
    assert consumer.task(task_id) == cancelled


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_pause_made_while_a_clip_is_being_sent_lets_that_one_through_and_holds_the_next(consumer, driver, minimax):
    hold = threading.Event()
    minimax.next("create", Answer(hold=hold))
    first, second = (consumer.generate()["task_id"] for _ in range(2))

    def stop_meanwhile():
        minimax.wait_for("create")
        stop()
        engine.advance(UUID(second), lane=Lane.PROVIDER)
        hold.set()

    in_threads(lambda: engine.advance(UUID(first), lane=Lane.PROVIDER), stop_meanwhile)

    assert [consumer.task(task_id)["stage"] for task_id in (first, second)] == ["preparing", "paused"]
    assert len(minimax.creates) == 1


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_pause_that_ends_while_a_step_sets_its_task_aside_leaves_no_task_behind(consumer, driver, minimax, monkeypatch):
    pause = stop()
    task_id = consumer.generate()["task_id"]
    set_aside = paused.set_aside

    def ended_meanwhile(task, until):
        resume(pause)
        return set_aside(task, until)

    monkeypatch.setattr(paused, "set_aside", ended_meanwhile)
    driver.step(task_id)
    left = Task.objects.get(pk=task_id).stage
    paused.go_on(clock.now())

    assert left == "paused"
    assert driver.finish(task_id).status == "completed"


@pytest.mark.skipif(ON_SQLITE, reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_eight_that_let_go_on_and_cancels_at_once_do_each_task_once(consumer, driver, minimax):
    pause = stop()
    tasks = [consumer.generate()["task_id"] for _ in range(6)]
    for task_id in tasks:
        driver.step(task_id)
    pauses.end(pause, who="ops")

    in_threads(
        *[lambda: paused.go_on(clock.now())] * 4,
        *[lambda task_id=task_id: consumer.delete(f"/v1/video/generations/{task_id}") for task_id in tasks[:3]],
        *[lambda task_id=task_id: engine.advance(UUID(task_id), lane=Lane.PROVIDER) for task_id in tasks[3:]],
    )

    for task_id in tasks[:3]:
        assert consumer.task(task_id)["status"] == "cancelled"
    paused.go_on(clock.now())
    for task_id in tasks[3:]:
        assert driver.finish(task_id).status == "completed"
    assert len(minimax.creates) == 3
