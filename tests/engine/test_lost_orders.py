"""Orders whose answer was lost: the stage `reconciling`, its end, and what an operator decides."""

from datetime import timedelta
from decimal import Decimal

import pytest

from conduit import clock
from conduit.api.errors import Conflict, InvalidRequest
from keys.models import AuditEntry
from tasks.models import Task
from tests.support.lookalike import Answer
from videos.lost_orders.deciding import decide
from videos.lost_orders.reading import maybe_billed
from videos.models import Clip, ClipState

pytestmark = pytest.mark.django_db

LOST = Answer(cut_after=0, accepted=True)
NOT_TAKEN = Answer(cut_after=0, accepted=False)


@pytest.fixture
def lose(consumer, driver, minimax):
    """A task whose order's answer was lost, and that waits for what became of it."""

    def lost(answer=LOST, **wanted):
        minimax.next("create", answer)
        task_id = consumer.generate(**wanted)["task_id"]
        for _ in range(2):
            driver.step(task_id)
        return Task.objects.get(pk=task_id)

    return lost


def say(task, outcome, **named):
    decide(Task.objects.get(pk=task.pk), outcome, who="root", **named)


def test_an_order_whose_answer_was_lost_stands_still_in_plain_sight_and_is_not_sent_again(consumer, driver, minimax, lose, settings):
    task = lose()
    shown = consumer.task(str(task.pk))

    driver.step(str(task.pk))

    assert (shown["status"], shown["stage"], shown["waiting_for"], shown["eta_seconds"]) == ("queued", "reconciling", "operator", None)
    clip = Clip.objects.get(video=task.pk)
    assert (clip.state, (task.next_step_at - clip.sent_at).total_seconds()) == (ClipState.SUBMITTING, settings.RECONCILING_SECONDS_MAX)
    assert len(minimax.creates) == 1


def test_what_nobody_can_tell_in_time_fails_charges_nothing_and_may_have_been_billed(driver, lose, ledger, settings, time_travel):
    time_travel.move_to(clock.now(), tick=True)
    task = lose()
    assert maybe_billed(10).count == 0
    time_travel.shift(settings.RECONCILING_SECONDS_MAX + 1)

    driver.step(str(task.pk))

    task.refresh_from_db()
    assert (task.status, task.error_code, task.charged) == ("failed", "provider_timeout", 0)
    assert ledger(task.pk) == [("hold", Decimal("0.2")), ("capture", Decimal(0)), ("release", Decimal("0.2"))]
    listed = maybe_billed(10)
    assert ([clip.video_id for clip in listed.clips], listed.usd) == ([task.pk], Decimal("0.43"))


def test_a_cancel_meanwhile_charges_as_if_it_was_sent(consumer, lose):
    task = lose()

    cancelled = consumer.delete(f"/v1/video/generations/{task.pk}").json()

    assert (cancelled["status"], cancelled["cost"]["charged"]) == ("cancelled", "0.2000")
    assert maybe_billed(10).count == 1


def test_an_order_that_is_a_job_after_all_goes_on_with_it(driver, minimax, lose):
    task = lose()

    say(task, "job", provider_task_id=minimax.jobs[0].task_id)

    assert driver.finish(str(task.pk)).status == "completed"
    assert (len(minimax.creates), Clip.objects.get(video=task.pk).billed) == (1, Decimal("0.43"))
    entry = AuditEntry.objects.get(action="reconcile")
    assert (entry.who, entry.changes) == ("root", {"clip": 0, "outcome": "job", "provider_task_id": minimax.jobs[0].task_id})


def test_a_job_that_minimax_does_not_know_or_that_is_another_clips_is_refused(consumer, driver, minimax, lose):
    other = consumer.generate("a dog")["task_id"]
    driver.until(other, ClipState.SUBMITTED)
    task = lose()

    for wrong, words in (("99", "no job of that id"), (minimax.jobs[0].task_id, "another clip"), ("", "id of the job is needed")):
        with pytest.raises(InvalidRequest, match=words):
            say(task, "job", provider_task_id=wrong)

    assert Task.objects.get(pk=task.pk).lease_token is None
    assert Clip.objects.get(video=task.pk).state == ClipState.SUBMITTING
    assert not AuditEntry.objects.filter(action="reconcile")


def test_an_order_that_never_was_is_sent_again_once(driver, minimax, lose):
    task = lose(NOT_TAKEN)

    say(task, "never_was")

    assert driver.finish(str(task.pk)).status == "completed"
    assert (len(minimax.creates), len(minimax.jobs), Clip.objects.get(video=task.pk).creates) == (2, 1, 2)


def test_an_order_that_is_given_up_fails_at_once(lose):
    task = lose()

    say(task, "give_up")

    task.refresh_from_db()
    assert (task.status, task.error_code) == ("failed", "provider_timeout")
    assert maybe_billed(10).count == 1
    with pytest.raises(Conflict):
        say(task, "give_up")


@pytest.mark.parametrize(("outcome", "billed", "state"), [("job", "0.43", "submitted"), ("never_was", "0", "planned")])
def test_what_may_have_been_billed_is_settled_later_and_the_task_stays_as_it_ended(minimax, lose, outcome, billed, state):
    task = lose()
    say(task, "give_up")

    say(task, outcome, **({"provider_task_id": minimax.jobs[0].task_id} if outcome == "job" else {}))

    clip = Clip.objects.get(video=task.pk)
    assert (clip.billed, clip.state, maybe_billed(10).count) == (Decimal(billed), state, 0)
    assert Task.objects.get(pk=task.pk).status == "failed"
    with pytest.raises(Conflict):
        say(task, outcome, provider_task_id=minimax.jobs[0].task_id)


def test_nobody_decides_about_an_order_that_is_in_the_air_or_looked_into(consumer, lose):
    task_id = consumer.generate()["task_id"]
    with pytest.raises(Conflict, match="no order"):
        decide(Task.objects.get(pk=task_id), "give_up", who="root")
    task = lose()
    Task.objects.filter(pk=task.pk).update(lease_token=task_id, lease_until=clock.now() + timedelta(minutes=1))
    with pytest.raises(Conflict, match="at this very moment"):
        say(task, "never_was")


def test_an_order_of_h3_that_is_in_no_list_is_sent_again_when_the_list_is_complete(driver, minimax, lose, time_travel):
    time_travel.move_to(clock.now(), tick=True)
    task = lose(NOT_TAKEN, model="minimax-h3", duration=4)
    assert (Task.objects.get(pk=task.pk).stage, len(minimax.creates)) == ("reconciling", 1)
    time_travel.shift(61)

    driver.step(str(task.pk))

    assert driver.finish(str(task.pk)).status == "completed"
    assert (len(minimax.creates), len(minimax.jobs)) == (2, 1)


def test_two_jobs_that_fit_are_left_to_the_operator(consumer, driver, minimax):
    minimax.next("create", LOST)
    task_id = consumer.generate(model="minimax-h3", duration=4)["task_id"]
    driver.step(task_id)
    minimax.make_job(minimax.jobs[0].fields)

    task = driver.step(task_id)

    assert (task.stage, Clip.objects.get(video=task_id).state) == ("reconciling", ClipState.SUBMITTING)
    say(task, "job", provider_task_id=minimax.jobs[1].task_id)
    assert driver.finish(task_id).status == "completed"
