"""Cancelling and retrying many tasks at once: begun by a row, gone on with by whoever is there."""

import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission

from conduit import clock
from conduit.api.errors import InvalidRequest
from keys import budget_owners
from keys.models import AuditEntry, ManagementKey
from keys.services import create_management_key
from tasks import runs, search
from tasks.models import Task
from tasks.run_models import Action, Run, RunOutcome
from tests.support.ending import end
from tests.support.envelopes import refused
from tests.support.managing import Manager, make_manager
from tests.support.planned_clips import planned_clip
from tests.support.racing import in_threads

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def of(consumer, status="queued", prompt="a cat"):
    task_id = UUID(consumer.generate(prompt)["task_id"])
    if status != "queued":
        end(task_id, status)
    return task_id


def work(run, turns=20):
    """Turns of workers, until it is over."""
    for _ in range(turns):
        runs.advance(run.pk)
        run.refresh_from_db()
        if not run.is_at_work:
            return run
    raise AssertionError(f"{run} never ends: {vars(run)}")


def outcomes(run):
    return {one.task_id: one.outcome for one in run.outcomes.all()}


def statuses():
    return dict(Task.objects.values_list("pk", "status"))


def begin_cancel(text="", **asked):
    return runs.begin(Action.CANCEL, who="root", search_text=text, **asked)


def test_what_a_cancel_gives_back_and_what_is_charged_already_is_said_before(consumer):
    of(consumer), of(consumer, "failed")
    sent = of(consumer)
    planned_clip(sent, 0, state="submitted", provider_task_id="1", seconds=6, sent_at=clock.now())

    said = runs.preview(Action.CANCEL, search_text="cat", chosen=None)

    assert (said.tasks, said.usd, said.charged_tasks, said.charged, said.is_least) == (2, Decimal("0.2"), 1, Decimal("0.2"), False)
    run = work(begin_cancel("cat"))
    charged = sum(task.charged for task in Task.objects.filter(status="cancelled"))
    assert (run.expected_usd, charged) == (Decimal("0.2"), said.charged)


def test_what_was_not_looked_at_in_time_makes_it_at_least_so_much(consumer, monkeypatch):
    for _ in range(3):
        of(consumer)
    monkeypatch.setattr(search, "LOOKED_AT", 2)

    said = runs.preview(Action.CANCEL, search_text="cat", chosen=None)

    assert (said.tasks, said.is_least) == (2, True)


def test_everything_that_matches_is_cancelled_and_nothing_else(consumer, ledger, monkeypatch):
    monkeypatch.setattr(search, "LOOKED_AT", 3)
    boats = [of(consumer, prompt="a boat") for _ in range(5)]
    others = [of(consumer) for _ in range(4)]
    ended = of(consumer, "completed", "a boat")

    run = begin_cancel("boat")
    later = of(consumer, prompt="a boat")
    work(run)

    found = statuses()
    assert {found[task_id] for task_id in boats} == {"cancelled"}
    assert {found[task_id] for task_id in (*others, later)} == {"queued"}
    assert found[ended] == "completed"
    assert (run.state, run.done, run.unchanged, run.refused) == ("done", 5, 0, 0)
    assert outcomes(run) == dict.fromkeys(boats, "done")
    assert ledger(boats[0])[-1] == ("release", Decimal("0.2"))


def test_the_audit_has_a_row_for_the_run_and_one_for_each_task(consumer):
    made = [of(consumer) for _ in range(2)]

    run = work(begin_cancel("key:somebody"))

    rows = AuditEntry.objects.filter(target__startswith="task:")
    assert sorted((row.who, row.action, row.target, row.changes) for row in rows) == sorted(
        ("root", "cancel", f"task:{task_id}", {"of": f"run:{run.pk}"}) for task_id in made
    )
    whole = AuditEntry.objects.get(action="cancel many")
    assert (whole.who, whole.target, whole.changes) == ("root", f"run:{run.pk}", {"q": "key:somebody", "chosen": 0, "expected": 2})


def test_of_chosen_tasks_each_has_its_outcome_with_its_reason(consumer):
    queued, done, cancelled, missing = of(consumer), of(consumer, "completed"), of(consumer, "cancelled"), uuid4()

    run = work(begin_cancel(chosen=[queued, done, cancelled, missing]))

    assert outcomes(run) == {queued: "done", done: "unchanged", cancelled: "unchanged"}
    assert "only one that is queued or processing" in run.outcomes.get(task=done).detail
    assert run.outcomes.get(task=cancelled).detail == "It was cancelled already."
    assert (run.expected, run.done, run.unchanged) == (1, 1, 2)


def test_a_retry_of_many_makes_each_once_and_obeys_the_budget_of_its_key(consumer, make_consumer):
    poor = make_consumer("poor")
    rich_ones = [of(consumer, "failed") for _ in range(2)]
    poor_ones = [of(poor, "failed") for _ in range(3)]
    budget_owners.set_budgets(poor.key, [{"period": "total", "time_zone": "UTC", "amount": Decimal("0.45")}], who="root")

    run = work(runs.begin(Action.RETRY, who="root", search_text="status:failed"))

    assert (run.done, run.refused) == (4, 1)
    (short,) = [one for one in run.outcomes.all() if one.outcome == "refused"]
    assert "budget" in short.detail
    assert short.task_id in poor_ones
    for one in run.outcomes.exclude(outcome="refused"):
        assert Task.objects.get(pk=one.retried_as).retry_of_id == one.task_id
    assert {one.task_id for one in run.outcomes.filter(outcome="done")} >= set(rich_ones)
    again = work(runs.begin(Action.RETRY, who="root", search_text="status:failed"))
    assert (again.done, again.unchanged, again.refused) == (0, 4, 1)
    assert Task.objects.filter(retry_of__isnull=False).count() == 4


def test_a_run_goes_no_further_than_the_right_of_who_began_it(client, consumer, django_user_model):
    made = [of(consumer) for _ in range(3)]
    ann = django_user_model.objects.create_user("ann", is_staff=True)
    ann.user_permissions.set(Permission.objects.filter(codename__in=["cancel_task", "view_task"]))
    client.force_login(ann)
    client.post("/admin/tasks/act/", {"do": "cancel", "all": "1", "q": "cat"})
    run = Run.objects.get()
    runs.advance(run.pk, seconds=0)  # one task
    ann.user_permissions.clear()

    runs.advance(run.pk)

    run.refresh_from_db()
    assert (run.actor, run.state, run.stopped_why) == (f"user:{ann.pk}", "stopped", "ann may cancel tasks no more.")
    assert len(outcomes(run)) < len(made)
    assert sorted(statuses().values()) == sorted(["cancelled"] * run.done + ["queued"] * (3 - run.done))
    assert AuditEntry.objects.get(action="stop").who == "the loss of the right"
    ann.user_permissions.set(Permission.objects.filter(codename="view_task"))
    assert ": ann may cancel tasks no more. What was done stays done." in client.get(f"/admin/tasks/runs/{run.pk}/").content.decode()


@pytest.mark.parametrize("lost", [{"scopes": ["read"]}, {"enabled": False}, {"expires_at": EPOCH}])
def test_a_run_of_a_program_goes_no_further_than_its_management_key(manager, consumer, lost):
    of(consumer)
    manager("POST", "tasks/cancel", {"q": "cat"})
    ManagementKey.objects.filter(pk=manager.key.pk).update(**lost)

    run = work(Run.objects.get())

    assert (run.state, run.done, run.stopped_why) == ("stopped", 0, f"{manager.key} may cancel tasks no more.")


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_runs_that_meet_at_a_task_retry_it_once(consumer, monkeypatch):
    of(consumer, "failed")
    begun = [runs.begin(Action.RETRY, who="root", search_text="status:failed") for _ in range(2)]
    retry, met = runs.steering.retry, threading.Barrier(2)

    def retry_together(*args, **kwargs):
        with suppress(threading.BrokenBarrierError):  # the other waits for this one, and never comes here
            met.wait(timeout=2)
        return retry(*args, **kwargs)

    monkeypatch.setattr(runs.steering, "retry", retry_together)
    in_threads(*[partial(runs.advance, run.pk) for run in begun])

    assert sorted(RunOutcome.objects.values_list("outcome", flat=True)) == ["done", "unchanged"]
    assert Task.objects.filter(retry_of__isnull=False).count() == 1


def test_who_is_killed_in_the_middle_of_a_task_leaves_it_undone_and_another_goes_on(consumer, monkeypatch):
    failed = [of(consumer, "failed") for _ in range(4)]
    run = runs.begin(Action.RETRY, who="root", search_text="status:failed")
    save = RunOutcome.save
    killed = []

    def die(self, *args, **kwargs):
        save(self, *args, **kwargs)
        if len(killed) < 2 and Task.objects.filter(retry_of__isnull=False).count() == 3:
            killed.append(self.task_id)
            raise SystemExit

    monkeypatch.setattr(RunOutcome, "save", die)
    for _ in range(2):
        with pytest.raises(SystemExit):
            runs.advance(run.pk)
        assert Task.objects.filter(retry_of__isnull=False).count() == 2
        runs.advance(run.pk)  # the lease of the dead one holds
        assert Task.objects.filter(retry_of__isnull=False).count() == 2
        Run.objects.update(lease_until=clock.now() - timedelta(seconds=1))

    work(run)

    assert sorted(Task.objects.filter(retry_of__isnull=False).values_list("retry_of", flat=True)) == sorted(failed)
    assert run.done == 4


def test_a_task_that_cannot_be_done_for_a_fault_of_ours_holds_nobody_up_for_ever(consumer, monkeypatch):
    bad, good = of(consumer), of(consumer)
    run = begin_cancel("cat")
    cancel = runs.steering.cancel

    def fail(task, **asked):
        if task.pk == bad:
            raise RuntimeError("a fault")
        return cancel(task, **asked)

    monkeypatch.setattr(runs.steering, "cancel", fail)

    work(run)

    assert outcomes(run) == {good: "done", bad: "refused"}
    assert "the logs tell" in run.outcomes.get(task=bad).detail


def test_a_stop_ends_it_where_it_stands(consumer, monkeypatch):
    made = [of(consumer) for _ in range(4)]
    run = begin_cancel("cat")
    cancel = runs.steering.cancel

    def stopping(task, **asked):
        if task.pk == made[2]:
            assert runs.stop(Run.objects.get(pk=run.pk), who="ann")
        return cancel(task, **asked)

    monkeypatch.setattr(runs.steering, "cancel", stopping)
    runs.advance(run.pk)
    run.refresh_from_db()

    assert (run.state, run.stopped_by) == ("stopped", "ann")
    assert {statuses()[task_id] for task_id in made[:2]} == {"queued"}
    assert statuses()[made[3]] == "cancelled"
    assert not runs.stop(run, who="ann")
    assert AuditEntry.objects.filter(action="stop", target=f"run:{run.pk}").count() == 1
    runs.advance(run.pk)
    assert statuses()[made[0]] == "queued"


def test_a_form_that_is_sent_twice_begins_one_run(consumer):
    of(consumer)
    form_id = uuid4()

    first, again = (begin_cancel("cat", form_id=form_id) for _ in range(2))

    assert first == again
    assert AuditEntry.objects.filter(action="cancel many").count() == 1


@pytest.mark.parametrize(("action", "says"), [(Action.CANCEL, "no task to cancel"), (Action.RETRY, "no task to retry")])
def test_what_would_do_nothing_is_not_begun(consumer, action, says):
    of(consumer, "completed")

    with pytest.raises(InvalidRequest, match=says):
        runs.begin(action, who="root", search_text="cat")
    with pytest.raises(InvalidRequest, match="Choose 1 to"):
        runs.begin(action, who="root", chosen=[])
    assert not Run.objects.exists()


def test_due_runs_are_hinted_and_old_ones_forgotten(consumer, monkeypatch):
    of(consumer)
    run = begin_cancel("cat")
    hints = []
    monkeypatch.setattr(runs.dispatch, "hint_run", lambda run_id: hints.append(run_id) or True)

    runs.hint_due(clock.now())
    runs.hint_due(clock.now())  # somebody heard, or not: not before a few seconds are over

    assert hints == [run.pk]
    work(run)
    assert runs.forget_old(clock.now() + timedelta(days=89)) == 0
    assert runs.forget_old(clock.now() + timedelta(days=91)) == 1
    assert not RunOutcome.objects.exists()


# ---- In the management API


@pytest.fixture
def manager(db):
    return make_manager()


def test_a_program_cancels_what_matches_and_reads_what_became_of_it(manager, consumer):
    made = [str(of(consumer, prompt="a boat")) for _ in range(2)]
    of(consumer)

    answer = manager("POST", "tasks/cancel", {"q": "prompt:boat"})

    run = answer.json()
    assert (answer.status_code, answer.headers["Location"]) == (202, f"/v1/admin/runs/{run['id']}")
    assert (run["state"], run["expected"]) == ("at_work", {"tasks": 2, "usd": "0.4000", "at_least": False})
    work(Run.objects.get())
    shown = manager.done("GET", f"runs/{run['id']}")
    assert (shown["state"], shown["done"], shown["created_by"]) == ("done", 2, str(manager.key))
    assert manager.done("GET", "runs")["data"] == [shown]
    page = manager.done("GET", f"runs/{run['id']}/outcomes?limit=1")
    assert (page["data"][0]["outcome"], page["has_more"]) == ("done", True)
    rest = manager.done("GET", f"runs/{run['id']}/outcomes?after={page['last_id']}")
    assert sorted(one["task_id"] for one in [*page["data"], *rest["data"]]) == sorted(made)


def test_a_program_retries_those_that_it_names_once_for_each_idempotency_key(manager, consumer):
    failed = str(of(consumer, "failed"))

    first, again = (manager("POST", "tasks/retry", {"task_ids": [failed]}, **{"Idempotency-Key": "k"}) for _ in range(2))

    assert (first.status_code, again.headers["Idempotent-Replayed"]) == (202, "true")
    assert first.json()["task_ids"] == [failed]
    assert Run.objects.count() == 1


def test_a_program_stops_a_run(manager, consumer):
    of(consumer)
    run = manager("POST", "tasks/cancel", {"q": "cat"}).json()

    assert manager.done("POST", f"runs/{run['id']}/stop")["state"] == "stopped"
    assert manager.done("POST", f"runs/{run['id']}/stop")["stopped_by"] == str(manager.key)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "q"),
        ({"q": "cat", "task_ids": ["x"]}, "task_ids"),
        ({"q": 7}, "q"),
        ({"q": "colour:red"}, "q"),
        ({"q": "dog"}, "q"),
        ({"task_ids": []}, "task_ids"),
        ({"task_ids": ["7"]}, "task_ids"),
        ({"everything": True}, "everything"),
    ],
)
def test_a_run_that_says_not_what_is_400(manager, consumer, body, param):
    of(consumer)

    refused(manager("POST", "tasks/cancel", body), 400, "invalid_request", param)
    assert not Run.objects.exists()


def test_who_may_only_read_begins_and_stops_nothing(consumer):
    of(consumer)
    run = begin_cancel("cat")
    reader = Manager(*create_management_key(name="looks", who="root", scopes=["read"]))

    assert reader.done("GET", f"runs/{run.pk}")["state"] == "at_work"
    for path in ("tasks/cancel", "tasks/retry", f"runs/{run.pk}/stop"):
        refused(reader("POST", path, {"q": "cat"}), 403, "scope_not_allowed")
    refused(make_manager("all")("GET", "runs/4711"), 404, "not_found", "run_id")
