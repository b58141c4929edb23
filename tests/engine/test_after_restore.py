"""After a restore from a backup nothing is done until it is known what may have been sent, and nothing is sent twice."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from conduit import clock
from conduit.conditions import restored
from conduit.conditions.looking import look
from conduit.conditions.models import DatabaseIdentity
from keys.models import AuditEntry
from tasks import leases
from tasks.models import Lane, Task
from tests.conditions.conftest import state
from tests.support.accounts import add_account
from videos.callbacks.addresses import Ordered
from videos.callbacks.noting import note
from videos.engine.answers import UNSENT
from videos.lost_orders.deciding import decide
from videos.models import Clip, ClipState
from videos.queue_models import QueuedCreate
from videos.restoring import BETWEEN, LOST_IDS, take_up

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _of_this_test():
    restored._known.forget()
    yield
    restored._known.forget()


@pytest.fixture
def backup():
    """Has the database be one that was restored from a backup of this moment."""

    def restore():
        restored._known.forget()
        assert restored.is_restored() is False
        DatabaseIdentity.objects.update(identity="another one", worked_at=clock.now())
        restored._known.forget()

    return restore


def after_restore(*arguments):
    said = StringIO()
    call_command("after_restore", *arguments, stdout=said)
    return said.getvalue()


def steps():
    return [lease.task_id for lane in Lane.values for lease in leases.take_due(clock.now(), lane=lane, limit=10)]


def test_a_place_that_goes_on_with_its_own_database_notices_nothing_and_says_when_it_worked(consumer, driver, minimax):
    assert restored.is_restored() is False
    assert abs((restored.last_worked_at() - clock.now()).total_seconds()) < 60
    with pytest.raises(CommandError, match="last worked with"):
        after_restore()


def test_in_a_restored_database_no_step_is_done_and_that_is_a_condition(consumer, backup, minimax):
    task_id = consumer.generate()["task_id"]
    backup()
    look()

    assert restored.is_restored() is True
    assert state("restored").holds is True
    assert steps() == []
    assert leases.take(Task.objects.get(pk=task_id).pk, lane=Lane.PROVIDER) is None
    assert leases.claim_due(clock.now(), lane=Lane.PROVIDER, limit=10) == []
    assert minimax.creates == []


def test_what_may_have_been_sent_since_waits_for_who_can_tell_and_is_not_sent_again(consumer, driver, backup, minimax):
    queued, ordered = consumer.generate()["task_id"], consumer.generate()["task_id"]
    driver.until(ordered, ClipState.SUBMITTED)
    backup()

    said = after_restore()

    shown = consumer.task(queued)
    assert (shown["stage"], shown["waiting_for"]) == ("reconciling", "operator")
    assert "2 tasks were under way" in said
    assert "1 of them may have been ordered" in said
    driver.step(queued)
    assert len(minimax.creates) == 1
    assert Clip.objects.get(video=queued).state == ClipState.SUBMITTING
    assert driver.finish(ordered).status == "completed"
    assert AuditEntry.objects.filter(action="after restore").count() == 1
    assert restored.is_restored() is False


def test_an_operator_says_that_it_was_not_sent_and_it_is_sent_once(consumer, driver, backup, minimax):
    task_id = consumer.generate()["task_id"]
    backup()
    after_restore()

    decide(Task.objects.get(pk=task_id), "never_was", who="root")

    assert driver.finish(task_id).status == "completed"
    assert len(minimax.creates) == 1


def test_a_callback_of_the_order_that_the_database_lacks_tells_what_became_of_it(consumer, driver, backup, minimax, settings):
    settings.MINIMAX_POLL_SECONDS_WITH_CALLBACKS = 0
    task_id = consumer.generate()["task_id"]
    driver.step(task_id)
    clip = Clip.objects.get(video=task_id)
    Clip.objects.filter(pk=clip.pk).update(**UNSENT, creates=0, submitted_at=None, provider_task_id="")
    backup()
    after_restore()

    note(Ordered(clip.pk, 1), {"task_id": minimax.jobs[0].task_id, "status": "processing"})

    assert driver.finish(task_id).status == "completed"
    assert len(minimax.creates) == 1


def test_who_moved_a_place_that_was_stopped_goes_on_at_once(consumer, driver, backup, minimax):
    task_id = consumer.generate()["task_id"]
    backup()

    after_restore("--moved")

    assert driver.finish(task_id).status == "completed"


def test_what_is_asked_for_after_the_restore_was_sent_nowhere_and_goes_on(consumer, driver, backup, minimax):
    backup()
    DatabaseIdentity.objects.update(worked_at=clock.now() - 3 * BETWEEN)
    task_id = consumer.generate()["task_id"]

    after_restore()

    assert driver.finish(task_id).status == "completed"


def test_of_several_accounts_none_is_believed_not_to_have_it(consumer, driver, backup, minimax):
    add_account("second", "https://api.minimax.io", "a key")
    task_id = consumer.generate()["task_id"]
    backup()

    take_up()

    assert Clip.objects.get(video=task_id).account is None
    driver.step(task_id)
    assert Task.objects.get(pk=task_id).stage == "reconciling"


def test_lines_are_left_and_ids_that_were_given_out_after_the_backup_are_given_to_nobody(consumer, backup):
    task_id = consumer.generate()["task_id"]
    QueuedCreate.objects.create(task_id=task_id, key_id=consumer.key.pk, api="v1", model="m", upstream="u", seconds=6, expected_seconds=1)
    Task.objects.filter(pk=task_id).update(waits_for="fair_share", queue_position=1)
    backup()

    take_up()
    take_up()

    assert not QueuedCreate.objects.exists()
    task = Task.objects.get(pk=task_id)
    assert (task.waits_for, task.queue_position) == ("", None)
    clip = Clip.objects.get(video=task_id)
    assert clip.creates == 1
    if connection.vendor == "postgresql":
        assert clip.pk > LOST_IDS
