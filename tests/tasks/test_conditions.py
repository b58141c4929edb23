"""Steps that are late, by lane."""

from datetime import timedelta

import pytest
from django.utils import timezone

from conduit.conditions.looking import look
from tasks import leases
from tasks.models import Lane, Task
from tests.conditions.conftest import details

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


@pytest.fixture
def due(consumer):
    """A task of that lane whose step has been due for so many seconds."""

    def make(seconds, lane=Lane.PROVIDER):
        task_id = consumer.generate()["task_id"]
        Task.objects.filter(pk=task_id).update(next_step_at=timezone.now() - timedelta(seconds=seconds), lane=lane)
        return task_id

    return make


def late():
    look()
    return details("late_steps")


def test_steps_that_nobody_took_in_time_are_told_by_their_lane(due):
    due(30)
    assert late() == {}

    due(90, Lane.MEDIA)
    assert late() == {"media": "1 step late."}

    due(90), due(3600)
    assert late() == {"media": "1 step late.", "provider": "2 steps late."}


def test_a_step_that_ticks_hand_out_and_nobody_takes_is_late(due):
    due(90)
    assert leases.claim_due(timezone.now(), lane="provider", limit=10)

    assert late() == {"provider": "1 step late."}


def test_a_step_at_work_is_not_late_however_long_it_has_been_due(due):
    task_id = due(90)
    assert leases.take(task_id, lane="provider")
    assert late() == {}

    Task.objects.filter(pk=task_id).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert late() == {"provider": "1 step late."}
