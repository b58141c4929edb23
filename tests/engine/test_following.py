"""Jobs that outlive our patience are asked for until MiniMax says how they ended, and are there for a retry."""

from decimal import Decimal

import pytest

from conduit import clock
from keys import reconciliation
from tasks.models import Task
from tests.settings import ON_SQLITE
from tests.support.locks import locks_watched
from tests.support.lookalike import Answer
from videos import following, jobs, provider_cancellation
from videos.callbacks.addresses import ordered
from videos.callbacks.noting import note
from videos.lost_orders.reading import maybe_billed, outlived
from videos.models import Clip, ClipState

pytestmark = pytest.mark.django_db

LOST = Answer(cut_after=0, accepted=True)


@pytest.fixture
def late(consumer, driver, minimax, settings, time_travel):
    """A task that failed because its job took too long; MiniMax goes on with it."""

    def timed_out(**wanted):
        time_travel.move_to(clock.now(), tick=True)
        minimax.statuses, minimax.statuses_v2 = ["Processing"], ["running"]
        task_id = consumer.generate(**wanted)["task_id"]
        driver.until(task_id, ClipState.SUBMITTED)
        time_travel.shift(settings.GENERATING_SECONDS_MAX + 1)
        task = driver.step(task_id)
        assert (task.status, task.error_code) == ("failed", "generation_timeout")
        return task

    return timed_out


@pytest.fixture
def follow(settings, time_travel):
    """Ask for all that is due, as the sweep has it done."""
    asked = []

    def all_due():
        due = list(Clip.objects.to_follow(clock.now()).values_list("pk", flat=True))
        for pk in due:
            following.follow(pk)
        asked.append(len(due))
        return len(due)

    return all_due


def clip_of(task):
    return Clip.objects.get(video=task.pk)


def test_a_job_that_outlived_its_task_is_asked_for_slowly_until_it_ends(late, minimax, follow, settings, time_travel):
    task = late()
    asked = len(minimax.calls("query"))

    assert (follow(), follow()) == (1, 0)
    assert (len(minimax.calls("query")), outlived(10).count) == (asked + 1, 1)
    minimax.statuses = ["Success"]
    time_travel.shift(settings.FOLLOW_SECONDS + 1)
    assert (follow(), follow()) == (1, 0)

    clip = clip_of(task)
    assert (clip.state, clip.billed, outlived(10).count) == (ClipState.MADE, Decimal("0.43"), 0)
    assert Task.objects.get(pk=task.pk).charged == 0


def test_one_that_failed_there_after_all_is_not_billed(late, minimax, follow):
    task = late()
    minimax.statuses = ["Fail"]

    follow()

    assert (clip_of(task).state, clip_of(task).billed) == (ClipState.FAILED, 0)


def test_one_that_minimax_forgot_stays_billed_and_is_asked_for_no_more(late, minimax, follow):
    task = late()
    minimax.jobs.clear()

    follow()

    assert (clip_of(task).state, clip_of(task).billed, follow()) == (ClipState.FAILED, Decimal("0.43"), 0)


def test_what_came_late_is_there_for_the_retry_which_orders_nothing(consumer, driver, late, minimax, follow):
    task = late()
    minimax.statuses = ["Success"]
    follow()

    again = driver.finish(consumer.post(f"/v1/video/generations/{task.pk}/retry").json()["task_id"])

    assert (again.status, len(minimax.creates)) == ("completed", 1)


def test_a_retry_waits_for_the_job_that_still_runs(consumer, driver, late, minimax):
    task = late()

    again = consumer.post(f"/v1/video/generations/{task.pk}/retry").json()["task_id"]
    for _ in range(3):
        driver.step(again)
    waiting = consumer.task(again)
    minimax.statuses = ["Success"]

    assert (waiting["status"], waiting["stage"]) == ("processing", "generating")
    assert (driver.finish(again).status, len(minimax.creates)) == ("completed", 1)


def test_a_retry_whose_job_fails_there_orders_it_anew(consumer, driver, late, minimax):
    task = late()
    again = consumer.post(f"/v1/video/generations/{task.pk}/retry").json()["task_id"]
    driver.step(again)
    minimax.next("query", Answer(status="Fail"))
    minimax.statuses = ["Success"]

    assert (driver.finish(again).status, len(minimax.creates)) == ("completed", 2)
    assert clip_of(Task.objects.get(pk=again)).billed == Decimal("0.43")


def test_a_retry_of_a_job_without_an_end_fails_by_its_own_time_limit_and_orders_no_other(
    consumer, driver, late, minimax, settings, time_travel
):
    task = late()
    again = consumer.post(f"/v1/video/generations/{task.pk}/retry").json()["task_id"]
    driver.step(again)
    time_travel.shift(settings.GENERATING_SECONDS_MAX + 1)

    assert (driver.finish(again).error_code, len(minimax.creates)) == ("generation_timeout", 1)


def test_v2_is_asked_to_call_off_what_took_too_long_and_a_retry_orders_it_anew(consumer, driver, late, minimax, monkeypatch):
    hinted = []
    monkeypatch.setattr("tasks.dispatch.hint_cancelled_on_commit", lambda task_id, kind: hinted.append(task_id))
    task = late(model="minimax-h3", duration=4)
    minimax.statuses_v2 = ["queued"]

    provider_cancellation.cancel_jobs(task.pk)

    assert (hinted, [job.cancelled for job in minimax.jobs]) == ([task.pk], [True])
    assert (clip_of(task).state, clip_of(task).billed) == (ClipState.FAILED, 0)
    minimax.statuses_v2 = ["succeeded"]
    again = driver.finish(consumer.post(f"/v1/video/generations/{task.pk}/retry").json()["task_id"])
    assert (again.status, len(minimax.creates)) == ("completed", 2)


def test_a_job_that_a_retry_waits_for_is_not_called_off(consumer, driver, late, minimax):
    task = late(model="minimax-h3", duration=4)
    again = consumer.post(f"/v1/video/generations/{task.pk}/retry").json()["task_id"]
    driver.step(again)

    provider_cancellation.cancel_jobs(task.pk)

    assert minimax.calls("cancel") == []


def test_what_a_cancelled_task_left_at_minimax_is_written_down_when_it_ends(consumer, driver, minimax, follow):
    minimax.statuses = ["Fail"]
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.SUBMITTED)
    consumer.delete(f"/v1/video/generations/{task_id}")

    follow()

    clip = Clip.objects.get(video=task_id)
    assert (clip.state, clip.billed) == (ClipState.FAILED, 0)


def test_a_late_callback_fills_in_what_may_have_been_billed(consumer, driver, minimax, follow, settings):
    settings.MINIMAX_CALLBACKS, settings.RECONCILING_SECONDS_MAX = "on", 0
    minimax.reaches = lambda url: True
    minimax.next("create", LOST)
    task = driver.finish(consumer.generate()["task_id"])
    assert (task.error_code, maybe_billed(10).count, follow()) == ("provider_timeout", 1, 0)

    job = minimax.jobs[0]
    note(ordered(job.callback_url.rpartition("/")[2]), {"task_id": job.task_id, "status": "success"})
    minimax.statuses = ["Success"]
    assert (follow(), follow(), follow()) == (1, 1, 0)

    clip = clip_of(task)
    assert (clip.state, clip.billed, maybe_billed(10).count) == (ClipState.MADE, Decimal("0.43"), 0)
    again = driver.finish(consumer.post(f"/v1/video/generations/{task.pk}/retry").json()["task_id"])
    assert (again.status, len(minimax.creates)) == ("completed", 1)


def test_a_lost_order_of_h3_is_looked_up_although_its_task_was_cancelled(consumer, driver, minimax, follow):
    minimax.next("create", LOST)
    minimax.statuses_v2 = ["running"]
    task_id = consumer.generate(model="minimax-h3", duration=4)["task_id"]
    driver.step(task_id)
    consumer.delete(f"/v1/video/generations/{task_id}")

    follow()

    clip = Clip.objects.get(video=task_id)
    assert (clip.state, clip.provider_task_id) == (ClipState.SUBMITTED, minimax.jobs[0].task_id)


def test_the_sweep_has_each_of_them_asked_for(late, monkeypatch):
    task, sent = late(), []
    monkeypatch.setattr(jobs.follow, "apply_async", lambda args, **options: sent.append((args, options["queue"])))

    jobs.follow_jobs()

    assert sent == [((clip_of(task).pk,), "provider")]


# ---- Money that follows what MiniMax bills ------------------------------------------------------------------------------


@pytest.fixture
def when_known(settings):
    settings.TIMEOUT_CHARGES = "when_known"


def test_where_it_is_settled_when_known_the_hold_stands_until_the_job_ends(consumer, late, minimax, follow, ledger, when_known):
    task = late()
    cost = consumer.task(str(task.pk))["cost"]
    minimax.statuses = ["Success"]

    follow()

    assert (cost["held"], cost["charged"]) == ("0.2000", None)
    assert consumer.task(str(task.pk))["cost"] == cost | {"held": "0.0000", "charged": "0.2000"}
    assert ledger(task.pk) == [("hold", Decimal("0.2")), ("capture", Decimal("0.2"))]
    assert list(reconciliation.discrepancies()) == []


def test_a_job_that_fails_there_after_all_costs_nothing(consumer, late, minimax, follow, ledger, when_known):
    task = late()
    minimax.statuses = ["Fail"]

    follow()

    assert ledger(task.pk) == [("hold", Decimal("0.2")), ("capture", Decimal(0)), ("release", Decimal("0.2"))]
    assert list(reconciliation.discrepancies()) == []


def test_a_retry_that_goes_on_with_the_job_pays_for_it_alone(consumer, driver, late, minimax, follow, ledger, when_known):
    task = late()
    again = consumer.post(f"/v1/video/generations/{task.pk}/retry").json()["task_id"]
    driver.step(again)
    minimax.statuses = ["Success"]

    follow()
    driver.finish(again)

    assert [consumer.task(str(pk))["cost"]["charged"] for pk in (task.pk, again)] == ["0.0000", "0.2000"]
    assert list(reconciliation.discrepancies()) == []


def test_what_was_charged_late_goes_back_when_a_retry_takes_the_job_over(consumer, driver, late, minimax, follow, ledger, when_known):
    task = late()
    minimax.statuses = ["Success"]
    follow()

    with locks_watched() as locks:
        again = driver.finish(consumer.post(f"/v1/video/generations/{task.pk}/retry").json()["task_id"])

    assert ON_SQLITE or ["task", "key", "window", "feed"] in locks.taken
    assert (again.charged, ledger(task.pk)[-1]) == (Decimal("0.2"), ("refund", Decimal("0.2")))
    assert list(reconciliation.discrepancies()) == []
