"""DELETE /v1/video/generations/{id} and POST /v1/tasks/{id}/cancel"""

from decimal import Decimal
from uuid import UUID

import pytest

from conduit import clock
from tasks import leases, lifecycle
from tasks.models import Status, Task, TaskEvent
from tests.support.ending import end
from tests.support.envelopes import refused
from tests.support.planned_clips import planned_clip
from tests.support.racing import in_threads

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

PRICE = Decimal("0.2")
CAPTURED = [("hold", PRICE), ("capture", PRICE)]
RELEASED = [("hold", PRICE), ("capture", Decimal(0)), ("release", PRICE)]


@pytest.fixture(params=["delete", "cancel"])
def cancel(request):
    """Both ways in which the contract cancels."""
    if request.param == "delete":
        return lambda consumer, task_id: consumer.delete(f"/v1/video/generations/{task_id}")
    return lambda consumer, task_id: consumer.post(f"/v1/tasks/{task_id}/cancel")


def test_a_queued_task_is_cancelled_and_costs_nothing(consumer, ledger, cancel):
    task_id = consumer.generate()["task_id"]

    answer = cancel(consumer, task_id)

    assert answer.status_code == 200
    task = answer.json()
    assert task == consumer.task(task_id)
    assert (task["status"], task["stage"], task["eta_seconds"], task["result"]) == ("cancelled", "cancelled", None, None)
    assert (task["error"], task["error_code"], task["completed_at"]) == (None, None, None)
    assert task["cost"] == {"estimated": "0.2000", "held": "0.0000", "charged": "0.0000", "currency": "USD"}
    assert ledger(task_id) == RELEASED


def test_a_task_whose_clip_was_sent_costs_its_price(consumer, ledger, cancel):
    task_id = consumer.generate()["task_id"]
    lifecycle.move(UUID(task_id), Status.PROCESSING)
    planned_clip(task_id, state="submitted", sent_at=clock.now(), provider_task_id="7")

    task = cancel(consumer, task_id).json()

    assert (task["status"], task["cost"]["charged"]) == ("cancelled", "0.2000")
    assert ledger(task_id) == CAPTURED


def test_cancelling_again_changes_nothing_and_is_fine(consumer, ledger, cancel):
    task_id = consumer.generate()["task_id"]
    first = cancel(consumer, task_id)

    again = cancel(consumer, task_id)

    assert (again.status_code, again.json()) == (200, first.json())
    assert ledger(task_id) == RELEASED
    assert TaskEvent.objects.filter(task_id=task_id, status="cancelled").count() == 1


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_a_task_that_ended_otherwise_is_not_cancellable(consumer, ledger, cancel, status):
    task_id = str(end(consumer.generate()["task_id"], status).pk)
    before, money = consumer.task(task_id), ledger(task_id)

    assert status in refused(cancel(consumer, task_id), 409, "task_not_cancellable")
    assert (consumer.task(task_id), ledger(task_id)) == (before, money)


def test_progress_stays_where_the_consumer_saw_it_last(consumer, cancel, time_travel):
    time_travel.move_to(clock.now(), tick=False)
    task_id = consumer.generate()["task_id"]
    Task.objects.filter(pk=task_id).update(leg_goal=90, leg_seconds=100, leg_started_at=clock.now())
    time_travel.shift(50)
    seen = consumer.task(task_id)["progress"]

    cancel(consumer, task_id)

    assert consumer.task(task_id)["progress"] == seen == 45


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize("round_", range(5))
def test_of_a_cancel_and_a_completion_at_the_same_time_exactly_one_wins(consumer, ledger, round_):
    task_id = consumer.generate()["task_id"]
    pk = UUID(task_id)
    lifecycle.move(pk, Status.PROCESSING)
    planned_clip(pk, state="stored", sent_at=clock.now(), provider_task_id="7")
    lease = leases.take(pk, lane="provider")

    answer, completed = in_threads(
        lambda: consumer.post(f"/v1/tasks/{task_id}/cancel"),
        lambda: lifecycle.move(pk, Status.COMPLETED, lease=lease, stage="completed", progress=100),
    )

    assert Task.objects.get().status == ("completed" if completed else "cancelled")
    assert answer.status_code == (409 if completed else 200)
    assert ledger(task_id) == CAPTURED
    assert TaskEvent.objects.filter(task=pk, status__in=["completed", "cancelled"]).count() == 1


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_many_cancels_at_the_same_time_are_all_fine_and_settle_once(consumer, ledger):
    task_id = consumer.generate()["task_id"]

    answers = in_threads(*[lambda: consumer.post(f"/v1/tasks/{task_id}/cancel")] * 6)

    assert [answer.status_code for answer in answers] == [200] * 6
    assert ledger(task_id) == RELEASED
