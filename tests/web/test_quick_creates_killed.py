"""SIGKILL of a web process while it creates on the event loop: the client that sends its call again has one task, and pays once."""

import json
import os
from collections import Counter
from decimal import Decimal

import pytest
from django.db import connection

from keys.models import Period, UsageCost, VirtualKey
from tasks.models import Task
from tests.settings import VALKEY
from tests.support import nursery
from tests.support.databases import database_url
from tests.web.test_quick_creates_at_once import PRICE, positions_are_dense, the_ledger_adds_up

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite keeps the ordinary way"),
]


def killed_at_every_batch(secret, home):
    """What became of each call that died, and of the one that did not: all of them were sent again."""
    environment = os.environ | {
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "conduit.settings",
        "REDIS_URL": VALKEY.url,
        "CONDUIT_HOME": str(home),
        "CONDUIT_ENV": "development",
        "LOG_LEVEL": "ERROR",
    }

    ran = nursery.run(["-m", "tests.support.killed_creates", secret], environment, seconds=600)

    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def each_is_one_task(runs):
    *killed, last = runs
    assert (last["died"], last["replayed"]) == (0, True)
    assert {run["status"] for run in runs} == {202}
    # Some deaths came before the commit, some after it.
    assert set(Counter(run["replayed"] for run in killed)) == {True, False}
    assert sorted(str(task.pk) for task in Task.objects.all()) == sorted(run["task"]["task_id"] for run in runs)
    assert UsageCost.objects.count() == len(runs)
    the_ledger_adds_up()
    positions_are_dense()


def test_a_call_that_is_sent_again_after_a_death_at_any_batch_is_one_task(make_consumer, tmp_path):
    consumer = make_consumer("ann")
    VirtualKey.objects.update(creates_per_minute=1000)
    budget = consumer.key.budgets.create(period=Period.DAILY, time_zone="Europe/Berlin", amount=Decimal(100))

    runs = killed_at_every_batch(consumer.secret, tmp_path)

    assert len(runs) > 6
    each_is_one_task(runs)
    assert budget.windows.get().held == len(runs) * PRICE


def test_one_whose_key_has_no_budget_and_that_is_written_with_its_commit_in_one_batch_is_one_task_too(make_consumer, tmp_path):
    consumer = make_consumer("ann")
    VirtualKey.objects.update(creates_per_minute=1000)

    runs = killed_at_every_batch(consumer.secret, tmp_path)

    assert len(runs) > 3
    each_is_one_task(runs)
