"""Questions how jobs go, many at once."""

import queue
import threading
import time
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conduit import clock
from tasks import due, jobs, leases, waking
from tasks.models import Lane, Task
from tests.settings import ON_SQLITE
from tests.support.asking import a_round
from tests.support.lookalike import Answer
from videos.account_models import AccountKind, ProviderAccount
from videos.asking import rows
from videos.asking.accounts import Accounts
from videos.asking.askers import Answer as Answered
from videos.asking.askers import Askers
from videos.asking.worker import Asking
from videos.exchange_models import Exchange
from videos.models import Clip, ClipState

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


@pytest.fixture
def running(consumer, driver, minimax):
    """So many tasks whose jobs run, and were asked for once."""

    def make(count):
        minimax.always("query", Answer(status="Processing"))
        ids = [consumer.generate(f"job {number}")["task_id"] for number in range(count)]
        for task_id in ids:
            driver.until(task_id, ClipState.SUBMITTED)
            while not Clip.objects.get(video_id=task_id).seen_running_at:  # the clock may be measured anew, and step back a little
                driver.step(task_id)
        return ids

    return make


def test_a_job_that_minimax_accepted_is_asked_for_in_a_lane_of_its_own(running):
    [task_id] = running(1)

    assert Task.objects.get(pk=task_id).lane == Lane.ASKING


def test_jobs_that_still_run_are_written_back_together_and_leave_no_line(running, minimax, settings):
    ids = running(7)
    settings.MINIMAX_POLL_SECONDS = 10
    lines = Exchange.objects.count()
    told_at = set(Task.objects.values_list("updated_at"))

    with CaptureQueriesContext(connection) as asked:
        answers = a_round()

    assert len(answers) == 7
    assert Exchange.objects.count() == lines
    assert set(Task.objects.values_list("lease_token", "lease_until", "attempts", "last_error_code", "stage")) == {
        (None, None, 0, "", "generating")
    }
    assert set(Task.objects.values_list("updated_at")) == told_at
    now = clock.now()
    for task in Task.objects.filter(pk__in=ids):
        assert timedelta(seconds=5) < task.next_step_at - now <= timedelta(seconds=10)
    assert min(Clip.objects.values_list("seen_running_at", flat=True)) > now - timedelta(seconds=5)
    if not ON_SQLITE:
        first_words = [query["sql"].split(maxsplit=1)[0] for query in asked]
        assert [word for word in first_words if word in ("UPDATE", "INSERT", "WITH")] == ["WITH", "WITH"]
    assert due.soonest(Lane.ASKING, now) == min(Task.objects.values_list("next_step_at", flat=True))


@pytest.mark.parametrize("why", ["is_drained", "is_restored"])
def test_a_drained_host_and_a_restored_database_ask_nothing(running, monkeypatch, why):
    running(1)
    monkeypatch.setattr(leases, why, lambda: True)

    assert rows.claim(limit=1, busy_accounts=()) == ([], [])

    monkeypatch.setattr(leases, why, lambda: False)
    assert len(rows.claim(limit=1, busy_accounts=())[0]) == 1


def test_leases_that_are_shorter_than_a_call_may_be_keep_nobody_from_asking(running, settings):
    running(1)
    settings.LEASE_SECONDS = 1.0
    [question], _ = rows.claim(limit=1, busy_accounts=())
    assert settings.LEASE_SECONDS < settings.MINIMAX_CONNECT_SECONDS + settings.MINIMAX_READ_SECONDS
    accounts = Accounts()
    accounts.refresh()

    answers: queue.SimpleQueue[Answered] = queue.SimpleQueue()
    askers = Askers(answers.put)
    askers.ask(question, accounts.of(question))

    assert answers.get(timeout=60).state
    askers.end()


def test_what_changed_goes_the_ordinary_way(running, driver, minimax):
    running(3)
    minimax.ordinary()
    minimax.next("query", Answer(status="Success"), Answer(status="Queueing"), Answer(code=1000))

    a_round()

    assert sorted(Task.objects.values_list("stage", "lane", "last_error_code")) == [
        ("downloading", "provider", ""),
        ("generating", "asking", "provider_error"),
        ("waiting_at_provider", "asking", ""),
    ]
    assert list(Exchange.objects.order_by("-id").values_list("status", "is_error")[:3]) == [
        ("", True), ("queueing", False), ("success", False),
    ]  # fmt: skip


def test_the_first_answer_is_kept_although_it_says_nothing_new(consumer, driver, minimax):
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.SUBMITTED)
    minimax.always("query", Answer(status="Preparing"))

    a_round(), a_round()

    assert list(Exchange.objects.filter(call="query").values_list("status", "count")) == [("preparing", 1)]


def test_a_task_that_was_cancelled_meanwhile_is_left_alone(running, consumer):
    [task_id] = running(1)
    questions, _ = rows.claim(limit=5, busy_accounts=())
    consumer.delete(f"/v1/video/generations/{task_id}")
    before = Task.objects.values().get()

    rows.give_back([rows.Back(question, clock.now()) for question in questions])

    assert Task.objects.values().get() == before


def test_a_lease_that_somebody_else_took_meanwhile_stays_theirs(running):
    [task_id] = running(1)
    [question], _ = rows.claim(limit=5, busy_accounts=())
    Task.objects.update(lease_until=clock.now() - timedelta(seconds=1))
    theirs = leases.take(UUID(task_id), lane=Lane.ASKING)
    assert theirs

    rows.give_back([rows.Back(question, clock.now())])

    assert Task.objects.get().lease_token == theirs.token


def test_a_question_that_was_not_asked_counts_as_no_attempt(running):
    running(1)
    [question], _ = rows.claim(limit=5, busy_accounts=())
    seen = Clip.objects.get().seen_running_at

    rows.give_back([rows.Back(question, clock.now(), was_asked=False)])

    assert Task.objects.values_list("attempts", "lease_token").get() == (0, None)
    assert Clip.objects.get().seen_running_at == seen


def test_questions_of_a_busy_account_are_left_to_others(running):
    mine, _ = running(2)
    other = ProviderAccount.objects.create(name="other", kind=AccountKind.MINIMAX_V1, base_url="http://127.0.0.1:9")
    Clip.objects.exclude(video_id=mine).update(account=other)

    questions, _ = rows.claim(limit=5, busy_accounts=[other.pk])

    assert [str(question.lease.task_id) for question in questions] == [mine]


def test_a_step_of_the_lane_that_is_no_question_is_sorted_out(consumer, driver, minimax):
    task_id = consumer.generate()["task_id"]
    Task.objects.update(lane=Lane.ASKING)

    assert a_round() == []

    assert Task.objects.get(pk=task_id).stage == "preparing"


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_an_account_whose_minimax_is_silent_keeps_no_others_questions_waiting(running, minimax, settings):
    settings.ASKING_THREADS = 2
    mine, theirs = running(2)  # both are due
    settings.MINIMAX_POLL_SECONDS = 10
    ill = ProviderAccount.objects.create(name="ill", kind=AccountKind.MINIMAX_V1, base_url=minimax.url).seal(minimax.key)
    ill.save()
    Clip.objects.filter(video_id=theirs).update(account=ill)
    before, hold = len(minimax.calls("query")), threading.Event()
    minimax.ordinary()
    minimax.always("query", Answer(hold=hold, status="Processing"), prompt="job 1")
    minimax.always("query", Answer(status="Processing"))
    asking = Asking()
    asking.start()
    try:
        jobs.do_next(Lane.ASKING)  # a hint wakes it
        minimax.wait_for("query", before + 2)
        until(lambda: Task.objects.get(pk=mine).lease_token is None)
        assert Task.objects.get(pk=theirs).lease_token is not None
    finally:
        hold.set()
        asking.stop()
        waking._wake.clear()
    assert Task.objects.get(pk=theirs).lease_token is None


def until(true):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
