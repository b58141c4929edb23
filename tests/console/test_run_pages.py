"""Cancelling and retrying many tasks in the console: what is asked before, and the page of the run."""

import re
from decimal import Decimal
from html import unescape
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from conduit import clock
from conduit.console.tasks import run_pages
from keys.models import AuditEntry
from tasks import runs
from tasks.models import Task
from tasks.run_models import Action, Run
from tests.support.ending import end
from tests.support.planned_clips import planned_clip

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

ACT = "/admin/tasks/act/"


def of(consumer, status="queued", prompt="a cat"):
    task_id = consumer.generate(prompt)["task_id"]
    if status != "queued":
        end(task_id, status)
    return task_id


def words(text):
    """The page as it is read."""
    plain = re.sub(r"</?strong>", "", text.partition('id="content"')[2])
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", plain)).split())


def in_role(name):
    user = User.objects.create_user(f"an {name}", password="a long password", is_staff=True)
    user.groups.add(Group.objects.get(name=name))
    client = Client()
    client.force_login(user)
    return client


def form_of(text):
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', text.partition('action="/admin/tasks/act/"')[2])
    asked = {}
    for name, value in found:
        asked.setdefault(name, []).append(unescape(value))
    return asked


def test_a_cancel_of_all_that_match_says_the_money_first_and_the_button_repeats_it(page, admin, consumer):
    for _ in range(3):
        of(consumer, prompt="a boat")
    sent = of(consumer, prompt="a boat")
    planned_clip(sent, 0, state="submitted", provider_task_id="1", seconds=6, sent_at=clock.now())
    of(consumer, "completed", "a boat")
    of(consumer)

    text = page("tasks/act/?do=cancel&all=1&q=boat")

    assert "Cancels 4 tasks for good and gives back 0.6000 USD to their keys." in words(text)
    assert "1 of them was sent to MiniMax already, in whole or in part: 0.2000 USD is charged for that and stays so." in words(text)
    assert ">Cancel 4 tasks</button>" in text
    assert Task.objects.filter(status="cancelled").count() == 0

    answer = admin.post(ACT, form_of(text))
    again = admin.post(ACT, form_of(text))

    run = Run.objects.get()
    assert answer.headers["Location"] == again.headers["Location"] == f"/admin/tasks/runs/{run.pk}/"
    assert (run.search, run.task_ids, run.created_by) == ("boat", None, "root")
    runs.advance(run.pk)
    assert sum(charged or Decimal(0) for (charged,) in Task.objects.filter(status="cancelled").values_list("charged")) == Decimal("0.2")


def test_chosen_tasks_are_retried_and_those_that_did_not_fail_are_told_of(page, admin, consumer):
    failed, done = of(consumer, "failed"), of(consumer, "completed")

    text = page(f"tasks/act/?do=retry&task={failed}&task={done}&task=x&q=cat")

    assert "Retries 1 task: for each a new task of the same key" in words(text)
    assert "1 of those that you selected is left as it is: not failed." in words(text)
    admin.post(ACT, form_of(text))
    run = Run.objects.get()
    runs.advance(run.pk)
    shown = page(f"tasks/runs/{run.pk}/")
    again = Task.objects.get(retry_of=failed)
    assert "1 done 1 left as it was 0 refused" in words(shown)
    assert f'href="/admin/tasks/{again.pk}/"' in shown


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("do=cancel", "Select the tasks to cancel"),
        ("do=cancel&task=x", "Select the tasks to cancel"),
        ("do=cancel&all=1&q=colour:red", "is not understood"),
        ("do=cancel&all=1&q=dog", "There is none to cancel"),
    ],
)
def test_what_would_do_nothing_is_told(admin, consumer, query, says):
    of(consumer)

    assert says in admin.get(f"{ACT}?{query}", follow=True).content.decode()


def test_a_post_for_nothing_tells_why_and_begins_none(admin, consumer):
    answer = admin.post(ACT, {"do": "cancel", "all": "1", "q": "cat", "form_id": str(uuid4())}, follow=True)

    assert "There is no task to cancel" in answer.content.decode()
    assert not Run.objects.exists()


def test_the_page_of_a_run_shows_each_outcome_and_narrows_to_some(page, consumer, monkeypatch):
    monkeypatch.setattr(run_pages, "OUTCOMES_SHOWN", 2)
    made = [of(consumer) for _ in range(2)] + [of(consumer, "completed")]
    run = runs.begin(Action.CANCEL, who="ann", chosen=[Task.objects.get(pk=one).pk for one in made])

    before = page(f"tasks/runs/{run.pk}/")
    runs.advance(run.pk)
    text = page(f"tasks/runs/{run.pk}/")

    assert 'data-state="at_work"' in before
    assert "Stop this run" in before
    assert 'data-state="done"' in text
    assert "Stop this run" not in text
    assert 'aria-valuenow="100"' in text
    assert "2 done 1 left as it was 0 refused" in words(text)
    assert text.count("data-copy=") == 2
    older = unescape(re.search(r'href="([^"]*before=[^"]*)"', text)[1])
    assert page(older.removeprefix("/admin/")).count("data-copy=") == 1
    assert "only one that is queued or processing" in page(f"tasks/runs/{run.pk}/?outcome=unchanged")
    assert f'href="/admin/tasks/runs/{run.pk}/"' in page("tasks/runs/")


def test_a_run_is_stopped_on_its_page(page, admin, consumer):
    of(consumer)
    run = runs.begin(Action.CANCEL, who="ann", search_text="cat")

    text = admin.post(f"/admin/tasks/runs/{run.pk}/stop/", follow=True).content.decode()

    assert "Stopped. What was done stays done." in text
    assert "by root" in words(text)
    assert AuditEntry.objects.filter(action="stop", target=f"run:{run.pk}", who="root").exists()
    assert "It had ended already" in admin.post(f"/admin/tasks/runs/{run.pk}/stop/", follow=True).content.decode()


def test_a_viewer_sees_no_button_and_gets_403_by_hand(consumer):
    of(consumer)
    run = runs.begin(Action.CANCEL, who="ann", search_text="cat")
    viewer = in_role("viewer")

    listed, shown = (viewer.get(f"/admin/{path}").content.decode() for path in ("tasks/", f"tasks/runs/{run.pk}/"))

    assert "Cancel…" not in listed
    assert 'name="do"' not in listed
    assert "Stop this run" not in shown
    for method, path in [("get", f"{ACT}?do=cancel&all=1"), ("post", ACT), ("post", f"/admin/tasks/runs/{run.pk}/stop/")]:
        assert getattr(viewer, method)(path, {"do": "cancel", "all": "1"}).status_code == 403
    assert Run.objects.count() == 1
    assert Run.objects.get().is_at_work


def test_who_may_cancel_alone_retries_nothing(consumer):
    failed = of(consumer, "failed")
    user = User.objects.create_user("sam", password="a long password", is_staff=True)
    user.user_permissions.set(Group.objects.get(name="operator").permissions.filter(codename__in=["view_task", "cancel_task"]))
    client = Client()
    client.force_login(user)

    assert 'value="retry"' not in client.get("/admin/tasks/").content.decode()
    assert client.post(ACT, {"do": "retry", "task": failed}).status_code == 403
    retrying = runs.begin(Action.RETRY, who="ann", search_text="cat")
    assert client.post(f"/admin/tasks/runs/{retrying.pk}/stop/").status_code == 403


def test_the_pages_of_runs_cost_the_same_queries_for_few_and_for_many(page, consumer):
    def cost(path):
        page(path)
        with CaptureQueriesContext(connection) as queries:
            page(path)
        return len(queries)

    def begun(count):
        for _ in range(count):
            of(consumer)
        run = runs.begin(Action.CANCEL, who="ann", search_text="cat")
        runs.advance(run.pk)
        return run

    few = begun(1)
    of(consumer)
    before = cost(f"tasks/runs/{few.pk}/"), cost("tasks/act/?do=cancel&all=1"), cost("tasks/runs/")
    many = begun(5)
    for _ in range(3):
        of(consumer)

    assert (cost(f"tasks/runs/{many.pk}/"), cost("tasks/act/?do=cancel&all=1"), cost("tasks/runs/")) == before
    assert before <= (8, 8, 6)


def test_the_audit_leads_from_a_cancelled_task_to_its_run_and_back(page, consumer):
    task_id = of(consumer)
    run = runs.begin(Action.CANCEL, who="ann", search_text="cat")
    runs.advance(run.pk)

    text = page("audit/")

    assert f'href="/admin/tasks/runs/{run.pk}/"' in text
    assert f'href="/admin/tasks/{task_id}/"' in text
    assert "cancelled many tasks by" in text


def test_a_search_that_no_address_could_hold_is_told_in_words(admin, consumer):
    of(consumer)

    answer = admin.post(ACT, {"do": "cancel", "all": "1", "q": "x" * 20_000}, follow=True)

    assert answer.redirect_chain == [("/admin/tasks/", 302)]
    assert "a search has at most 500 characters" in answer.content.decode()
    assert not Run.objects.exists()
