"""`expires_in`: what is not done by its deadline is cancelled, and may be retried."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from conduit import clock
from keys.models import UsageCost
from tasks import deadlines, jobs, leases, lifecycle, runs
from tasks.models import Status, Task, TaskEvent
from tasks.run_models import Action
from tasks.search import search
from tasks.search_meaning import meaning_of
from tests.support.ending import end
from tests.support.envelopes import refused
from tests.support.planned_clips import planned_clip
from tests.support.racing import in_threads
from videos.models import Clip, Video

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

PRICE = Decimal("0.2")


@pytest.fixture(autouse=True)
def _still(time_travel):
    time_travel.move_to(clock.now(), tick=False)


def late(consumer, time_travel, **wanted):
    """The id of a task whose deadline has come."""
    task_id = consumer.generate(**{"expires_in": 60} | wanted)["task_id"]
    time_travel.shift(60)
    return task_id


def test_a_task_is_cancelled_at_its_deadline_and_not_before(consumer, ledger, time_travel):
    timely, other = consumer.generate(expires_in=61)["task_id"], consumer.generate()["task_id"]
    task_id = consumer.generate(expires_in="60")["task_id"]
    time_travel.shift(59.999)
    jobs.end_at_deadlines()
    assert consumer.task(task_id)["status"] == "queued"

    time_travel.shift(0.001)
    jobs.end_at_deadlines()

    task = consumer.task(task_id)
    assert (task["status"], task["stage"], task["error"], task["error_code"]) == ("cancelled", "cancelled", None, "deadline_exceeded")
    assert (task["completed_at"], task["cost"]["charged"]) == (None, "0.0000")
    assert ledger(task_id) == [("hold", PRICE), ("capture", Decimal(0)), ("release", PRICE)]
    assert [consumer.task(one)["status"] for one in (timely, other)] == ["queued"] * 2


def test_it_costs_what_a_cancel_would_have_cost(consumer, ledger, time_travel):
    task_id = late(consumer, time_travel)
    lifecycle.move(UUID(task_id), Status.PROCESSING)
    planned_clip(task_id, state="submitted", sent_at=clock.now(), provider_task_id="7")

    deadlines.end_due(clock.now())

    assert consumer.task(task_id)["cost"]["charged"] == "0.2000"
    assert ledger(task_id) == [("hold", PRICE), ("capture", PRICE)]


def test_a_task_that_waits_for_the_end_of_a_pause_is_ended_too(consumer, time_travel):
    task_id = late(consumer, time_travel)
    Task.objects.update(stage="paused", next_step_at=clock.now() + timedelta(days=9))

    deadlines.end_due(clock.now())

    assert consumer.task(task_id)["error_code"] == "deadline_exceeded"


def test_nothing_is_completed_after_its_deadline(consumer, time_travel):
    task_id = late(consumer, time_travel)
    lifecycle.move(UUID(task_id), Status.PROCESSING)

    assert lifecycle.move(UUID(task_id), Status.COMPLETED, stage="completed", progress=100) is False

    deadlines.end_due(clock.now())
    assert consumer.task(task_id)["status"] == "cancelled"


def test_a_step_that_comes_before_the_tick_ends_it_instead(consumer, driver, minimax, time_travel):
    task_id = late(consumer, time_travel)

    assert driver.step(task_id).error_code == "deadline_exceeded"
    assert minimax.creates == []


def test_what_ended_otherwise_stays_as_it_is(consumer, time_travel):
    task_id = consumer.generate(expires_in=60)["task_id"]
    end(task_id, "failed")
    time_travel.shift(60)

    assert deadlines.end_due(clock.now()) == 0
    assert deadlines.end(Task.objects.get()) is False
    assert consumer.task(task_id)["status"] == "failed"


def test_one_that_cannot_be_ended_keeps_no_other_waiting(consumer, time_travel, monkeypatch):
    broken, other = late(consumer, time_travel), late(consumer, time_travel)
    cancel = lifecycle.cancel
    monkeypatch.setattr(lifecycle, "cancel", lambda task, **why: 1 / 0 if str(task.pk) == broken else cancel(task, **why))

    assert deadlines.end_due(clock.now()) == 1
    assert consumer.task(other)["status"] == "cancelled"


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize("round_", range(5))
def test_of_deadlines_and_a_completion_at_the_same_time_exactly_one_wins(consumer, ledger, time_travel, round_):
    task_id = consumer.generate(expires_in=60)["task_id"]
    pk, deadline = UUID(task_id), clock.now() + timedelta(seconds=60)
    lifecycle.move(pk, Status.PROCESSING)
    planned_clip(pk, state="stored", sent_at=clock.now(), provider_task_id="7")
    lease = leases.take(pk, lane="provider")

    completed, *ended = in_threads(
        lambda: lifecycle.move(pk, Status.COMPLETED, lease=lease, stage="completed", progress=100),
        lambda: deadlines.end_due(deadline),
        lambda: deadlines.end_due(deadline),
    )

    assert (completed, sum(ended)) in ((True, 0), (False, 1))
    assert Task.objects.get().status == ("completed" if completed else "cancelled")
    assert ledger(task_id) == [("hold", PRICE), ("capture", PRICE)]
    assert TaskEvent.objects.filter(task=pk, status__in=["completed", "cancelled"]).count() == 1


@pytest.mark.parametrize("path", ["", "/estimate"])
@pytest.mark.parametrize("seconds", [9, 86_401, True, "soon", 1.5, [60]])
def test_what_is_no_length_of_time_is_refused(consumer, path, seconds):
    wanted = {"model": "minimax-video", "prompt": "a cat", "expires_in": seconds}

    answer = consumer.post(f"/v1/video/generations{path}", wanted)

    assert refused(answer, 400, "invalid_request", "expires_in") == "`expires_in` must be whole seconds from 10 to 86400."
    assert not Task.objects.exists()


def test_an_estimate_costs_the_same_with_a_deadline(consumer):
    wanted = {"model": "minimax-video", "prompt": "a cat"}
    estimates = [consumer.post("/v1/video/generations/estimate", body).json() for body in (wanted, wanted | {"expires_in": 10})]

    assert estimates[0] == estimates[1]


# ---- Retrying ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def ended(consumer, time_travel):
    task_id = late(consumer, time_travel)
    deadlines.end_due(clock.now())
    return task_id


def test_a_retry_has_a_deadline_of_its_own_or_none(consumer, ended):
    path = f"/v1/video/generations/{ended}/retry"
    with_one, without = (consumer.post(path, body).json() for body in ({"expires_in": 30}, None))

    assert [one["retry_of"] for one in (with_one, without)] == [ended] * 2
    deadlines_of = dict(Task.objects.values_list("pk", "deadline_at"))
    assert deadlines_of[UUID(with_one["task_id"])] == clock.now() + timedelta(seconds=30)
    assert deadlines_of[UUID(without["task_id"])] is None


@pytest.mark.parametrize("body", [{"expires_in": 9}, {"expires": 30}])
def test_what_a_retry_cannot_have_of_its_own_is_refused(consumer, ended, body):
    refused(consumer.post(f"/v1/video/generations/{ended}/retry", body), 400, "invalid_request", next(iter(body)))


def test_a_task_that_somebody_cancelled_is_still_not_retryable(consumer):
    task_id = str(end(consumer.generate(expires_in=60)["task_id"], "cancelled").pk)

    refused(consumer.post(f"/v1/video/generations/{task_id}/retry"), 409, "task_not_retryable")


def test_its_clips_are_kept_for_the_retry_and_those_of_a_cancelled_task_are_not(consumer, ended, settings, time_travel):
    end(consumer.generate()["task_id"], "cancelled")

    assert str(ended) not in {str(video.pk) for video in Video.objects.unswept(clock.now())}
    assert Video.objects.unswept(clock.now()).count() == 1
    time_travel.shift(settings.FAILED_CLIPS_SECONDS + 1)
    assert Video.objects.unswept(clock.now()).count() == 2


def test_a_job_that_a_retry_waits_for_is_not_called_off(consumer, ended):
    clip = {"api": "v2", "state": "submitted", "sent_at": clock.now(), "submitted_at": clock.now(), "provider_task_id": "7"}
    planned_clip(ended, **clip)
    assert Clip.objects.to_cancel_at_provider().count() == 1

    again = consumer.post(f"/v1/video/generations/{ended}/retry").json()["task_id"]
    planned_clip(again, **clip)

    assert not Clip.objects.to_cancel_at_provider().exists()


def test_a_run_retries_it_beside_failed_ones_and_no_cancelled_one(consumer, ended):
    failed = str(end(consumer.generate()["task_id"], "failed").pk)
    end(consumer.generate()["task_id"], "cancelled")

    assert runs.preview(Action.RETRY, search_text="", chosen=None).tasks == 2
    run = runs.begin(Action.RETRY, who="root")
    runs.advance(run.pk)

    assert {str(one.task_id): one.outcome for one in run.outcomes.all()} == {ended: "done", failed: "done"}


def test_it_is_found_by_its_error_code(consumer, ended):
    end(consumer.generate()["task_id"], "cancelled")

    for text in ("error:deadline_exceeded", "status:cancelled error:deadline_exceeded"):
        assert [str(pk) for pk in search(meaning_of(text, clock.now()).wanted, after=None, limit=9).task_ids] == [ended]
    assert UsageCost.objects.filter(task_id=ended, entry="release").exists()
