"""MiniMax's callbacks: hints to ask now, and what tells the job of a create whose answer was lost. Never believed without a query."""

from datetime import timedelta

import pytest
from django.core import signing

from conduit import clock
from conduit.conditions.looking import look
from tasks.models import Task
from tests.conditions.conftest import details
from tests.support.lookalike import Answer
from videos.account_models import ProviderAccount
from videos.callbacks.addresses import are_wanted, ordered
from videos.callbacks.noting import note
from videos.lost_orders.deciding import decide
from videos.models import Clip, ClipState

pytestmark = pytest.mark.django_db

LOST = Answer(cut_after=0, accepted=True)


@pytest.fixture(autouse=True)
def calling_back(settings, minimax):
    """MiniMax is to call back, and could; how it does over HTTP is tested in tests/web."""
    settings.MINIMAX_CALLBACKS = "on"
    settings.MINIMAX_POLL_SECONDS_WITH_CALLBACKS = 0
    minimax.reaches = lambda url: True


def push(job, status, **fields):
    """What the receiver does with a callback of that job."""
    of = ordered(job.callback_url.rpartition("/")[2])
    assert of is not None
    return note(of, {"task_id": job.task_id, "status": status} | fields)


def state_of(task_id):
    return Clip.objects.get(video=task_id).state


def test_each_order_names_a_url_of_its_own_that_nobody_can_guess(consumer, driver, minimax, settings):
    for prompt in ("a cat", "a dog"):
        driver.until(consumer.generate(prompt)["task_id"], ClipState.SUBMITTED)

    first, second = (job.callback_url for job in minimax.jobs)
    start, _, token = first.rpartition("/")
    assert (start, first != second) == (f"{settings.PUBLIC_URL}/callbacks/minimax", True)
    assert ordered(token)
    assert ordered(f"1{token}") is None
    assert ordered(signing.Signer(salt="another", sep=".").sign("1.1")) is None


def test_the_url_stands_in_no_record_of_what_was_said(consumer, driver, minimax):
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.SUBMITTED)

    token = minimax.jobs[0].callback_url.rpartition("/")[2]
    assert token not in str(list(Task.objects.get(pk=task_id).video.exchanges.values("request", "path", "answer")))


def test_a_callback_makes_the_next_question_due_at_once_and_later_ones_rare(consumer, driver, minimax, settings):
    task_id = consumer.generate()["task_id"]
    settings.MINIMAX_POLL_SECONDS, settings.MINIMAX_POLL_SECONDS_WITH_CALLBACKS = 10, 60
    driver.until(task_id, ClipState.SUBMITTED)
    push(minimax.jobs[0], "processing")
    assert Task.objects.get(pk=task_id).next_step_at > clock.now()

    assert push(minimax.jobs[0], "failed")  # which is not true
    due = Task.objects.get(pk=task_id).next_step_at
    task = driver.step(task_id)

    assert due <= clock.now()
    assert (task.stage, (task.next_step_at - clock.now()).total_seconds() > 50) == ("preparing", True)
    minimax.statuses = ["Success"]
    push(minimax.jobs[0], "success")
    driver.step(task_id)
    assert state_of(task_id) == ClipState.MADE


def test_the_job_of_a_create_whose_answer_was_lost_is_told_by_its_callback(consumer, driver, minimax):
    minimax.next("create", LOST)
    task_id = consumer.generate()["task_id"]
    for _ in range(2):
        driver.step(task_id)
    assert Task.objects.get(pk=task_id).stage == "reconciling"

    push(minimax.jobs[0], "processing")
    driver.step(task_id)

    clip = Clip.objects.get(video=task_id)
    assert (clip.state, clip.provider_task_id, clip.told_task_id) == (ClipState.SUBMITTED, minimax.jobs[0].task_id, "")
    assert driver.finish(task_id).status == "completed"
    assert len(minimax.creates) == 1


def test_a_callback_that_comes_before_it_is_known_that_the_answer_is_lost_counts_too(consumer, driver, minimax):
    minimax.next("create", LOST)
    task_id = consumer.generate()["task_id"]
    driver.step(task_id)
    Task.objects.filter(pk=task_id).update(lease_token=task_id, lease_until=clock.now() + timedelta(minutes=1))

    assert not push(minimax.jobs[0], "success")
    Task.objects.filter(pk=task_id).update(lease_token=None, lease_until=None)

    assert driver.finish(task_id).status == "completed"
    assert len(minimax.creates) == 1


@pytest.mark.parametrize("said", [{"task_id": "4711"}, {"task_id": ["x"]}, {"task_id": None}, {"id": "4711"}])
def test_a_job_that_minimax_does_not_know_is_not_believed(consumer, driver, minimax, said, time_travel):
    time_travel.move_to(clock.now(), tick=True)
    minimax.next("create", LOST)
    task_id = consumer.generate()["task_id"]
    for _ in range(2):
        driver.step(task_id)

    push(minimax.jobs[0], "success", **{"task_id": None} | said)
    driver.step(task_id)
    time_travel.shift(180)
    driver.step(task_id)

    clip = Clip.objects.get(video=task_id)
    assert (clip.state, clip.told_task_id, Task.objects.get(pk=task_id).stage) == (ClipState.SUBMITTING, "", "reconciling")


def test_another_clips_job_is_not_taken_for_it(consumer, driver, minimax, time_travel):
    time_travel.move_to(clock.now(), tick=True)
    other = consumer.generate("a dog")["task_id"]
    driver.until(other, ClipState.SUBMITTED)
    minimax.next("create", LOST)
    task_id = consumer.generate()["task_id"]
    for _ in range(2):
        driver.step(task_id)

    push(minimax.jobs[1], "success", task_id=minimax.jobs[0].task_id)
    driver.step(task_id)

    assert Clip.objects.get(video=task_id).state == ClipState.SUBMITTING


def test_doubled_late_and_reordered_callbacks_change_nothing(consumer, driver, minimax, ledger):
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.SUBMITTED)
    job = minimax.jobs[0]
    for status in ("success", "success", "processing", "failed"):
        push(job, status)

    task = driver.finish(task_id)
    before = Task.objects.values().get(pk=task_id), Clip.objects.values().get(video=task_id), ledger(task_id)
    for status in ("processing", "success", "failed"):
        push(job, status)

    assert task.status == "completed"
    assert (Task.objects.values().get(pk=task_id), Clip.objects.values().get(video=task_id), ledger(task_id)) == before
    assert len(minimax.creates) == 1


def test_an_order_that_names_a_url_that_minimax_cannot_reach_is_repeated_without_one_and_the_operator_is_told(consumer, driver, minimax):
    minimax.reaches = lambda url: False

    first, second = (driver.finish(consumer.generate(prompt)["task_id"]) for prompt in ("a cat", "a dog"))

    assert (first.status, second.status) == ("completed", "completed")
    assert [bool(create.json.get("callback_url")) for create in minimax.creates] == [True, False, False]
    assert Clip.objects.get(video=first.pk).creates == 1
    look()
    account = ProviderAccount.objects.get(callbacks_refused_at__isnull=False)
    assert set(details("minimax_callbacks")) == {account.name}


def test_after_a_while_one_order_tries_the_url_again(consumer, driver, minimax, time_travel):
    time_travel.move_to(clock.now(), tick=True)
    minimax.reaches = lambda url: False
    driver.finish(consumer.generate("a cat")["task_id"])
    minimax.reaches = lambda url: True
    time_travel.shift(601)

    driver.finish(consumer.generate("a dog")["task_id"])

    assert [bool(create.json.get("callback_url")) for create in minimax.creates] == [True, False, True]
    assert not ProviderAccount.objects.filter(callbacks_refused_at__isnull=False)
    look()
    assert not details("minimax_callbacks")


def test_invalid_parameters_are_the_callers_whatever_they_speak_of(consumer, driver, minimax):
    minimax.next("create", Answer(code=2013, message="invalid params, the prompt is odd"))

    task = driver.finish(consumer.generate()["task_id"])

    assert (task.status, task.error_code, len(minimax.creates)) == ("failed", "invalid_request", 1)


def test_version_2_is_called_back_likewise(consumer, driver, minimax, settings):
    minimax.next("create", LOST)
    task_id = consumer.generate(model="minimax-h3", duration=4)["task_id"]
    driver.step(task_id)
    job = minimax.jobs[0]

    of = ordered(job.callback_url.rpartition("/")[2])
    note(of, {"task": {"id": int(job.task_id), "status": "running"}})

    assert driver.finish(task_id).status == "completed"
    assert (len(minimax.creates), minimax.calls("list")) == (1, [])


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://video.example.com", True),
        ("http://video.example.com", False),
        ("https://localhost", False),
        ("https://10.1.2.3", False),
        ("https://video", False),
        ("https://video.internal", False),
        ("https://8.8.8.8", True),
    ],
)
def test_unless_it_is_told_minimax_is_to_call_back_where_it_looks_as_if_it_could(settings, url, wanted):
    settings.MINIMAX_CALLBACKS, settings.PUBLIC_URL = "auto", url

    assert are_wanted() is wanted


def test_an_order_that_was_said_never_to_have_been_and_was_made_is_billed_too(consumer, driver, minimax):
    minimax.next("create", LOST)
    task_id = consumer.generate()["task_id"]
    for _ in range(2):
        driver.step(task_id)
    decide(Task.objects.get(pk=task_id), "never_was", who="root")
    driver.until(task_id, ClipState.SUBMITTED)
    stray, second = minimax.jobs

    push(stray, "success", task_id="4711")
    assert Clip.objects.get(video=task_id).strays == ""
    for _ in range(2):
        push(stray, "success")

    clip = Clip.objects.get(video=task_id)
    assert (clip.provider_task_id, clip.strays, clip.billed) == (second.task_id, stray.task_id, 2 * clip.cost)
    assert driver.finish(task_id).status == "completed"
