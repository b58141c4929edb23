"""Descriptors, disk and connections that are nearly used up; keys that end; money that does not add up."""

import socket
from datetime import timedelta
from decimal import Decimal

import pytest

from conduit import clock
from conduit.conditions import host
from conduit.conditions.looking import look
from keys.models import ManagementKey, VirtualKey
from keys.services import create_key
from tasks import continuous_reconciliation
from tasks.models import Task
from tests.conditions.conftest import details, state
from tests.support.ending import end
from tests.support.managing import make_manager

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


@pytest.fixture(autouse=True)
def _anew(monkeypatch):
    monkeypatch.setattr(host, "_exhausted", 0)
    monkeypatch.setattr(continuous_reconciliation, "_round", continuous_reconciliation._Round())


def test_a_process_whose_descriptors_are_nearly_used_up_is_named():
    host.report("web@a:1", open_files=950, limit=1000, disk_free=host.DISK_BYTES_MIN)
    assert details("descriptors") == {"web@a:1": "It may have 1000 open."}
    assert state("disk").holds is False

    host.report("web@a:1", open_files=100, limit=1000, disk_free=None)
    assert state("descriptors").holds is False


def test_a_disk_that_is_nearly_full_is_named_by_its_host():
    host.report("media@a:1", open_files=None, limit=1000, disk_free=host.DISK_BYTES_MIN - 1)

    assert set(details("disk")) == {socket.gethostname()}


def test_a_pool_that_was_used_up_for_three_looks_is_named_and_for_two_is_not():
    for _ in range(2):
        host.report_pool("web@a:1", is_used_up=True)
    assert state("database_pool").holds is False
    host.report_pool("web@a:1", is_used_up=True)
    assert set(details("database_pool")) == {"web@a:1"}
    host.report_pool("web@a:1", is_used_up=False)
    assert state("database_pool").holds is False


def test_keys_that_end_within_a_week_are_named_until_they_have_ended():
    soon, _ = create_key(name="soon")
    later, _ = create_key(name="later")
    off, _ = create_key(name="off")
    make_manager()
    now = clock.now()
    VirtualKey.objects.filter(pk__in=[soon.pk, off.pk]).update(expires_at=now + timedelta(days=6))
    VirtualKey.objects.filter(pk=off.pk).update(enabled=False)
    VirtualKey.objects.filter(pk=later.pk).update(expires_at=now + timedelta(days=8))
    ManagementKey.objects.update(expires_at=now + timedelta(days=1))
    look()

    manager = ManagementKey.objects.get()
    assert set(details("keys_expire")) == {f"key {soon.pk} soon", f"management key {manager.pk} {manager.name}"}
    VirtualKey.objects.update(expires_at=now - timedelta(days=1))
    ManagementKey.objects.update(expires_at=None)
    look()
    assert state("keys_expire").holds is False


def test_a_task_whose_money_does_not_add_up_is_named_until_it_does(consumer):
    task_id = consumer.generate()["task_id"]
    end(task_id, "completed")
    look()
    assert state("ledger").holds is False
    Task.objects.filter(pk=task_id).update(charged=Decimal("0.1"))
    look()
    [(subject, detail)] = details("ledger").items()
    assert subject == task_id
    assert "0.1" in detail
    continuous_reconciliation._round.found.clear()
    continuous_reconciliation._round.has_begun = False  # a control process that is restarted takes over what was found
    Task.objects.filter(pk=task_id).update(charged=Decimal("0.2"))
    look()
    assert state("ledger").holds is False


def test_a_round_proves_every_task_some_at_a_time(consumer, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(continuous_reconciliation, "ROUND", 2)
    monkeypatch.setattr(continuous_reconciliation, "NEWEST", 0)
    tasks = [consumer.generate()["task_id"] for _ in range(5)]
    Task.objects.filter(pk=tasks[0]).update(price=9)
    Task.objects.filter(pk=tasks[4]).update(price=9)

    seen = []
    for _ in range(3):
        with django_assert_max_num_queries(8):
            seen.append(sorted(continuous_reconciliation.discrepancies()))

    assert seen == [[tasks[0]], [tasks[0]], sorted([tasks[0], tasks[4]])]
