"""Whatever commits late, ticks at the same time or dies: each row is counted once."""

import json
import os
import random
import threading
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.db.models import Sum

from conduit import clock
from conduit.rollups.counting import position_of
from conduit.rollups.jobs import roll_up
from conduit.rollups.steps import HOUR, MONTH, midnight
from keys import rollups as money
from keys.models import UsageCost
from tasks import lifecycle, rollups
from tasks.models import Status, TaskEvent
from tests.settings import ON_SQLITE
from tests.support import nursery
from tests.support.databases import database_url
from tests.support.racing import in_threads
from videos import rollups as videos
from videos.models import Clip

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
postgresql_only = pytest.mark.skipif(ON_SQLITE, reason="SQLite has one writer at a time")


def counted():
    return rollups.total(rollups.chart(HOUR))


@postgresql_only
def test_an_event_that_commits_after_a_later_one_is_waited_for(make_consumer):
    slow, quick = make_consumer("slow"), make_consumer("quick")
    first, second = slow.generate()["task_id"], quick.generate()["task_id"]
    roll_up()
    written, may_commit = threading.Event(), threading.Event()

    def cancel_slowly():
        with transaction.atomic():
            lifecycle.move(first, Status.CANCELLED, stage="cancelled")
            written.set()
            assert may_commit.wait(30)

    def cancel_and_count():
        assert written.wait(30)
        lifecycle.move(second, Status.CANCELLED, stage="cancelled")
        roll_up()
        roll_up()
        found.append(counted().cancelled)
        may_commit.set()

    found: list[int] = []
    in_threads(cancel_slowly, cancel_and_count)
    assert found == [0]  # its id is higher, and it has to wait

    roll_up()

    assert counted().cancelled == 2
    assert position_of(rollups.NAME) == TaskEvent.objects.latest("pk").pk


@pytest.mark.sqlite
def test_ticks_at_the_same_time_as_many_writers_count_each_row_once(make_consumer):
    consumers = [make_consumer(f"key {number}") for number in range(4)]
    tasks = [[consumer.generate()["task_id"] for _ in range(8)] for consumer in consumers]
    over = threading.Event()

    def write(number):
        def work():
            for task_id in tasks[number]:
                with transaction.atomic():
                    lifecycle.move(task_id, Status.FAILED, stage="failed", error="no", error_code="provider_error")
                    if random.random() < 0.3:
                        transaction.set_rollback(True)

        return work

    def tick():
        while not over.is_set():
            roll_up()

    ticks = [threading.Thread(target=lambda: (tick(), connection.close())) for _ in range(2)]
    for thread in ticks:
        thread.start()
    in_threads(*(write(number) for number in range(4)))
    over.set()
    for thread in ticks:
        thread.join(60)
    roll_up()

    _counts_are_those_of_the_rows()


@postgresql_only
def test_a_tick_that_is_killed_before_or_after_any_write_counts_nothing_twice_and_misses_nothing(make_consumer, tmp_path):
    make_consumer()
    environment = {"DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "conduit.settings", "CONDUIT_HOME": str(tmp_path)}

    ran = nursery.run(["-m", "tests.support.killed_counting"], os.environ | environment, seconds=600)

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["deaths"] > 20
    _counts_are_those_of_the_rows()
    assert videos.bill(midnight(clock.now())).billed == Clip.objects.aggregate(sum=Sum("billed"))["sum"] > 0


def _counts_are_those_of_the_rows():
    for span in (HOUR, MONTH):
        total = rollups.total(rollups.chart(span))
        for status, count in {"queued": total.created, "processing": total.started, "failed": total.failed}.items():
            assert count == TaskEvent.objects.filter(status=status).count(), (span, status)
    of_today = money.total(midnight(clock.now()))
    assert of_today.tasks == UsageCost.objects.filter(entry="hold").count() > 0
    assert of_today.released == sum(UsageCost.objects.filter(entry="release").values_list("amount", flat=True), Decimal(0))
