"""Orders whose answer was lost, in the console and through the management API."""

import pytest

from conduit import clock
from conduit.conditions.looking import look
from tasks.models import Task
from tests.conditions.conftest import details
from tests.console.test_roles import in_role
from tests.support.ending import end
from tests.support.managing import make_manager
from tests.support.planned_clips import planned_clip
from videos.models import Clip

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


@pytest.fixture
def waiting(consumer):
    """A task whose order's answer was lost."""
    task_id = consumer.generate("a lost cat")["task_id"]
    planned_clip(task_id, state="submitting", sent_at=clock.now(), creates=1)
    Task.objects.filter(pk=task_id).update(stage="reconciling", next_step_at=clock.now())
    return task_id


@pytest.fixture
def ended(consumer):
    """Another that was given up."""
    task_id = consumer.generate("a lost dog")["task_id"]
    planned_clip(task_id, state="submitting", sent_at=clock.now(), creates=1)
    end(task_id, "failed")
    return task_id


def test_money_lists_what_may_have_been_billed_and_what_is_being_found_out(page, waiting, ended):
    text = page("money/lost/")

    out, billed = text.partition("May have been billed</h2>")[::2]
    assert "a lost cat" in out
    assert "a lost dog" in billed
    assert "1 order, for which MiniMax asks <strong>0.4300 USD</strong>" in billed
    assert f"/admin/tasks/{ended}/reconcile/" in billed


def test_the_page_of_the_task_leads_to_the_decision_which_says_what_will_happen(page, admin, waiting):
    assert f"/admin/tasks/{waiting}/reconcile/" in page(f"tasks/{waiting}/")
    text = page(f"tasks/{waiting}/reconcile/")
    assert "0.2000 USD goes back to its key" in text

    answer = admin.post(f"/admin/tasks/{waiting}/reconcile/", {"outcome": "give_up"}, follow=True)

    assert "may have been billed" in answer.content.decode()
    assert Task.objects.get(pk=waiting).error_code == "provider_timeout"
    assert "MiniMax took it" in page(f"tasks/{waiting}/reconcile/")
    assert "Give up" not in page(f"tasks/{waiting}/reconcile/")


def test_a_form_that_is_sent_twice_does_it_once(admin, waiting):
    for _ in range(2):
        answer = admin.post(f"/admin/tasks/{waiting}/reconcile/", {"outcome": "never_was"}, follow=True)
        assert answer.redirect_chain

    assert "no order of this task whose answer was lost" in answer.content.decode()
    assert Clip.objects.get(video=waiting).state == "planned"


def test_who_may_not_decide_sees_no_way_to_it(waiting):
    viewer = in_role("viewer")
    assert "reconcile" not in viewer.get(f"/admin/tasks/{waiting}/").content.decode()
    assert viewer.post(f"/admin/tasks/{waiting}/reconcile/", {"outcome": "give_up"}).status_code == 403


def test_the_condition_says_so_and_leads_to_those_tasks(waiting):
    look()

    assert details("minimax_lost_orders") == {"": "1 task stands still until it is known what became of an order."}


def test_the_management_api_lists_them_and_decides(waiting, ended):
    manager = make_manager()
    listed = manager.done("GET", "lost_orders")["data"]
    assert [(row["task_id"], row["state"], row["cost"]) for row in listed] == [
        (ended, "maybe_billed", "0.4300"),
        (waiting, "reconciling", "0.4300"),
    ]

    assert manager("POST", f"tasks/{waiting}/reconcile", {"outcome": "job"}).json()["error"]["param"] == "provider_task_id"
    assert manager("POST", f"tasks/{waiting}/reconcile", {"outcome": "perhaps"}).json()["error"]["param"] == "outcome"
    assert manager.done("POST", f"tasks/{waiting}/reconcile", {"outcome": "never_was"})["stage"] == "queued"
    assert manager("POST", f"tasks/{waiting}/reconcile", {"outcome": "never_was"}).json()["error"]["code"] == "nothing_to_reconcile"
    assert manager.done("POST", f"tasks/{ended}/reconcile", {"outcome": "never_was"})["status"] == "failed"
    assert manager.done("GET", "lost_orders")["data"] == []
    reader = make_manager("reader", scopes=["read"])
    assert reader("POST", f"tasks/{ended}/reconcile", {"outcome": "never_was"}).status_code == 403
