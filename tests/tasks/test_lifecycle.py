from decimal import Decimal
from uuid import UUID

import pytest
from django.db import IntegrityError

from conduit import clock
from tasks import leases, lifecycle
from tasks.models import Status, Task, TaskEvent
from tests.support.ending import end

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

ALLOWED = {
    ("queued", "processing"),
    ("queued", "failed"),
    ("queued", "cancelled"),
    ("processing", "completed"),
    ("processing", "failed"),
    ("processing", "cancelled"),
}
FIELDS = {"completed": {"progress": 100}, "failed": {"error": "no", "error_code": "provider_error"}}


def task_at(consumer, status: str) -> UUID:
    pk = UUID(consumer.generate()["task_id"])
    if status == "processing":
        assert lifecycle.move(pk, Status.PROCESSING)
    elif status != "queued":
        end(pk, status)
    return pk


@pytest.mark.parametrize("to", ["processing", "completed", "failed", "cancelled"])
@pytest.mark.parametrize("begin", Status.values)
def test_a_task_moves_as_the_table_says_and_not_otherwise(consumer, ledger, begin, to):
    pk = task_at(consumer, begin)
    before = Task.objects.filter(pk=pk).values().get()
    money, events = ledger(pk), TaskEvent.objects.filter(task_id=pk).count()

    moved = lifecycle.move(pk, Status(to), **FIELDS.get(to, {}))

    assert moved is ((begin, to) in ALLOWED)
    if moved:
        assert Task.objects.get(pk=pk).status == to
        assert TaskEvent.objects.filter(task_id=pk, status=to).count() == 1
    else:
        assert Task.objects.filter(pk=pk).values().get() == before
        assert (ledger(pk), TaskEvent.objects.filter(task_id=pk).count()) == (money, events)


@pytest.mark.parametrize(
    ("status", "charged", "rows"),
    [
        ("completed", "0.2", [("hold", "0.2"), ("capture", "0.2")]),
        ("failed", "0", [("hold", "0.2"), ("capture", "0"), ("release", "0.2")]),
        ("cancelled", "0", [("hold", "0.2"), ("capture", "0"), ("release", "0.2")]),
    ],
)
def test_an_end_settles_the_money_with_the_status(consumer, ledger, status, charged, rows):
    task = end(consumer.generate()["task_id"], status)

    assert task.charged == Decimal(charged)
    assert ledger(task.pk) == [(entry, Decimal(amount)) for entry, amount in rows]
    assert (task.next_step_at, task.held) == (None, 0)
    assert task.ended_at


def test_a_move_that_breaks_a_rule_of_the_database_leaves_no_trace(consumer, ledger):
    pk = task_at(consumer, "processing")

    with pytest.raises(IntegrityError, match="task_is_at_100_when_completed_only"):
        with lifecycle.transaction.atomic():
            lifecycle.move(pk, Status.COMPLETED, progress=99)

    assert Task.objects.get(pk=pk).status == "processing"
    assert len(ledger(pk)) == 1


def test_a_move_under_a_lease_that_is_no_longer_ones_own_is_refused(consumer):
    pk = task_at(consumer, "queued")
    lost = leases.take(pk, lane="provider")
    Task.objects.filter(pk=pk).update(lease_until=clock.now())
    mine = leases.take(pk, lane="provider")

    assert lifecycle.move(pk, Status.PROCESSING, lease=lost) is False
    assert lifecycle.move(pk, Status.PROCESSING, lease=mine) is True


def test_a_cancelled_task_is_never_moved_again_whoever_holds_its_lease(consumer, ledger):
    pk = task_at(consumer, "processing")
    lease = leases.take(pk, lane="provider")
    lifecycle.cancel(Task.objects.get(pk=pk))
    money = ledger(pk)

    assert not any(lifecycle.move(pk, to, lease=held, **FIELDS.get(to, {})) for to in lifecycle.ALLOWED for held in (lease, None))
    assert (Task.objects.get(pk=pk).status, ledger(pk)) == ("cancelled", money)


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_task_that_ended_is_in_no_trouble_any_more(consumer, status):
    pk = task_at(consumer, "queued")
    Task.objects.filter(pk=pk).update(last_error_code="rate_limit")

    assert end(pk, status).last_error_code == ""


def test_a_task_that_there_is_not_cannot_be_moved(db):
    assert lifecycle.move(UUID(int=0), Status.CANCELLED) is False


def test_each_change_of_status_is_one_event_of_the_key(consumer):
    task = end(consumer.generate()["task_id"], "completed")

    events = TaskEvent.objects.filter(task=task)
    assert [event.status for event in events] == ["queued", "processing", "completed"]
    assert {event.key_id for event in events} == {consumer.key.pk}
