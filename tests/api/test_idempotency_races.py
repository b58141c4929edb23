"""Idempotency-Key when calls meet, hang or die: real connections, real kills."""

import json
import os
import threading

import pytest
from django.db import connection, connections

from conduit.api.errors import Overloaded
from conduit.api.idempotency import Idempotency
from conduit.api.models import KeptAnswer
from keys.models import UsageCost
from tasks.models import Task
from tests.conftest import Consumer
from tests.support import nursery
from tests.support.databases import database_url
from tests.support.ending import end
from tests.support.envelopes import refused
from tests.support.marks import SOAK_ON_SQLITE
from tests.support.racing import in_threads
from videos.models import Video

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.sqlite,
    *SOAK_ON_SQLITE,
]

PATH = "/v1/video/generations"
GOOD = {"model": "minimax-video", "prompt": "a cat"}
AT_ONCE = 16


def send(consumer, path=PATH, body=GOOD, key="k"):
    """The call as a client of its own makes it."""
    return Consumer(consumer.key, consumer.secret).post(path, body, **{"Idempotency-Key": key})


def was_replayed(answer) -> bool:
    return answer.headers.get("Idempotent-Replayed") == "true"


@pytest.fixture
def postgres_only():
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's writers wait for each other as a whole, for as long as its timeout says")


@pytest.fixture
def first_call(monkeypatch):
    """Holds the first call that has claimed inside its transaction until `let_go`, which may give it an error to end with."""
    claiming = Idempotency.claiming
    held, free = threading.Event(), threading.Event()

    class First:
        error: Exception | None = None

        def wait(self) -> None:
            assert held.wait(60)

        def let_go(self, error: Exception | None = None) -> None:
            self.error = error
            free.set()

    first = First()

    def held_claim(self, answer=None, **about):
        yield from claiming(self, answer, **about)
        if not held.is_set():
            held.set()
            assert free.wait(60)
            if first.error:
                raise first.error

    monkeypatch.setattr(Idempotency, "claiming", held_claim)
    return first


def test_sixteen_creates_at_once_with_one_key_are_one_task_and_one_answer(consumer):
    answers = in_threads(*[lambda: send(consumer)] * AT_ONCE)

    assert {answer.status_code for answer in answers} == {202}
    assert len({(answer.content, answer.headers["Location"]) for answer in answers}) == 1
    assert sum(was_replayed(answer) for answer in answers) == AT_ONCE - 1
    assert Task.objects.count() == Video.objects.count() == KeptAnswer.objects.count() == 1
    assert UsageCost.objects.filter(entry="hold").count() == 1


def test_sixteen_retries_at_once_with_one_key_are_one_task(consumer):
    failed = consumer.generate()["task_id"]
    end(failed, "failed")

    answers = in_threads(*[lambda: send(consumer, f"{PATH}/{failed}/retry", {})] * AT_ONCE)

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert sum(was_replayed(answer) for answer in answers) == AT_ONCE - 1
    assert Task.objects.filter(retry_of=failed).count() == 1


def test_of_two_bodies_at_once_with_one_key_one_is_done_and_the_other_conflicts(consumer):
    bodies = [GOOD, GOOD | {"prompt": "a dog"}]

    answers = in_threads(*[lambda body=body: send(consumer, body=body) for body in bodies * (AT_ONCE // 2)])

    done = Task.objects.get().video.prompt
    for body, answer in zip(bodies * (AT_ONCE // 2), answers, strict=True):
        if body["prompt"] == done:
            assert answer.status_code == 202
        else:
            refused(answer, 409, "idempotency_conflict", "Idempotency-Key")
    assert sum(was_replayed(answer) for answer in answers) == AT_ONCE // 2 - 1


def test_sixteen_at_once_whose_answer_expired_are_one_new_task(consumer):
    old = send(consumer).json()["task_id"]
    KeptAnswer.objects.update(expires_at="2026-01-01T00:00:00Z")

    answers = in_threads(*[lambda: send(consumer)] * AT_ONCE)

    [new] = {answer.json()["task_id"] for answer in answers}
    assert new != old
    assert sum(was_replayed(answer) for answer in answers) == AT_ONCE - 1
    assert Task.objects.count() == 2


def test_different_keys_do_not_wait_for_each_other(consumer, first_call, postgres_only):
    def others() -> None:
        first_call.wait()
        try:
            assert [send(consumer, key=f"other-{number}").status_code for number in range(3)] == [202] * 3
        finally:
            first_call.let_go()

    in_threads(lambda: send(consumer), others)

    assert Task.objects.count() == 4


def test_who_waits_for_a_call_that_is_then_refused_does_it_itself(consumer, first_call):
    def second():
        first_call.wait()
        threading.Timer(0.2, first_call.let_go, [Overloaded()]).start()
        return send(consumer)

    first, then = in_threads(lambda: send(consumer), second)

    refused(first, 503, "overloaded")
    assert (then.status_code, was_replayed(then)) == (202, False)
    assert Task.objects.count() == 1


def test_who_waits_too_long_is_told_when_to_come_back_and_then_gets_the_answer(consumer, first_call, monkeypatch, postgres_only):
    # What connections are made with from now on.
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "options", "-c lock_timeout=200ms")
    connection.close()

    def second():
        first_call.wait()
        try:
            return send(consumer)
        finally:
            first_call.let_go()

    first, early = in_threads(lambda: send(consumer), second)
    late = send(consumer)

    assert "still at work" in refused(early, 409, "idempotency_conflict", "Idempotency-Key")
    assert int(early.headers["Retry-After"]) >= 1
    assert (late.status_code, was_replayed(late), late.content) == (202, True, first.content)
    assert Task.objects.count() == 1


def test_a_process_that_hangs_in_the_middle_loses_its_claim_and_doubles_nothing(consumer, first_call, postgres_only):
    """So does one whose host lost its power: the database hears nothing more of it."""

    def hanging():
        """The database has no patience with this one."""
        own = connections["default"]
        options = own.settings_dict["OPTIONS"] | {"options": "-c idle_in_transaction_session_timeout=1s"}
        own.settings_dict = own.settings_dict | {"OPTIONS": options}
        return send(consumer)

    def second():
        first_call.wait()
        try:
            return send(consumer)
        finally:
            first_call.let_go()

    hung, then = in_threads(hanging, second)

    assert hung.status_code >= 500
    assert (then.status_code, was_replayed(then)) == (202, False)
    assert str(Task.objects.get().pk) == then.json()["task_id"]


def test_a_process_killed_before_or_after_any_statement_neither_blocks_nor_doubles(consumer, tmp_path):
    environment = os.environ | {
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "conduit.settings",
        "CONDUIT_HOME": str(tmp_path),
        "ALLOWED_HOSTS": "testserver",
        "LOG_LEVEL": "ERROR",
    }
    ran = nursery.run(["-m", "tests.support.crashing_calls", consumer.secret], environment, seconds=240)
    assert ran.returncode == 0, ran.stderr
    runs = [json.loads(line) for line in ran.stdout.splitlines()]

    killed = [run for run in runs if run["died"]]
    # Two on each side of the claim, of each of the task's four writes, of the answer and of the commit, and before them.
    assert len(killed) > 14
    for run in runs:
        assert run["again"]["status"] == 202, run
        [task] = Task.objects.filter(video__prompt=f"point-{run['point']}")
        assert json.loads(run["again"]["body"])["task_id"] == str(task.pk)
    # Killed after the commit only, before the answer went out: that one is answered as it was done.
    assert [run["again"]["replayed"] for run in killed] == [None] * (len(killed) - 1) + ["true"]
    assert runs[-1]["first"]["body"] == runs[-1]["again"]["body"]
    assert UsageCost.objects.filter(entry="hold").count() == len(runs)
