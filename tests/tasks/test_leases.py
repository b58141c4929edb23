import threading
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection

from conduit import clock
from tasks import due as turns
from tasks import leases
from tasks.leases import LeaseLost
from tasks.models import Task
from tests.support.ending import end
from tests.support.racing import in_threads

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


@pytest.fixture
def pk(consumer):
    return uuid.UUID(consumer.generate()["task_id"])


def take(pk, **changes):
    return leases.take(pk, **{"lane": "provider"} | changes)


def later(**time):
    return clock.now() + timedelta(**time)


def eventually(true, seconds=60):
    """Look again until it holds: the renewing thread has a clock of its own."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


def test_a_due_step_is_taken_once(pk):
    lease = take(pk)

    assert lease.task_id == pk
    assert take(pk) is None
    assert Task.objects.get(pk=pk).attempts == 1


@pytest.mark.parametrize("changes", [{"lane": "media"}, {"claim": uuid.UUID(int=1), "lane": "media"}])
def test_a_step_of_another_lane_is_not_taken(pk, changes):
    assert take(pk, **changes) is None


def test_a_step_that_is_not_due_is_not_taken(pk):
    Task.objects.update(next_step_at=later(seconds=60))

    assert take(pk) is None


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_task_that_ended_is_not_taken(pk, status):
    end(pk, status)

    assert take(pk) is None


def test_a_task_that_there_is_not_is_not_taken(db):
    assert take(uuid.UUID(int=0)) is None


def test_a_lease_lapses_and_its_outcome_no_longer_counts(pk):
    lost = take(pk)
    Task.objects.update(lease_until=later(seconds=-1))

    assert take(pk) is not None
    with pytest.raises(LeaseLost), lost.writing(stage="late"):
        pytest.fail("the block of a lost lease is not run")
    assert Task.objects.get().stage == "queued"


def test_a_lease_that_lapsed_still_counts_while_nobody_else_took_it(pk):
    lease = take(pk)
    Task.objects.update(lease_until=later(seconds=-1))

    with lease.writing(stage="found out late"):
        pass
    assert Task.objects.get().stage == "found out late"


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_lease_is_renewed_while_its_step_lives_and_not_after(pk, settings):
    settings.LEASE_SECONDS = 5.0  # a busy machine may keep the renewing thread waiting for most of it
    lease = take(pk)
    first = Task.objects.get(pk=pk).lease_until

    with lease.kept_alive():
        while Task.objects.get(pk=pk).lease_until < first + timedelta(seconds=1):
            assert take(pk) is None

    eventually(lambda: take(pk) is not None)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_lease_that_somebody_else_took_is_not_renewed(pk, settings):
    settings.LEASE_SECONDS = 0.3
    lease = take(pk)
    with lease.kept_alive():
        Task.objects.update(lease_token=uuid.UUID(int=7), lease_until=later(seconds=100))
        eventually(lambda: not any(thread.name == f"lease {pk}" for thread in threading.enumerate()))

    assert Task.objects.get(pk=pk).lease_token == uuid.UUID(int=7)


def test_an_outcome_is_written_whole_or_not_at_all(pk):
    lease = take(pk)

    with pytest.raises(ZeroDivisionError), lease.writing(stage="half way"):
        _ = 1 / 0
    assert Task.objects.get().stage == "queued"


def test_nothing_is_written_to_a_task_that_was_cancelled(pk):
    lease = take(pk)
    end(pk, "cancelled")

    with pytest.raises(LeaseLost), lease.writing(stage="generating"):
        pytest.fail("the block of a lost lease is not run")
    assert Task.objects.get().stage == "cancelled"


def test_a_claim_keeps_the_row_for_the_worker_that_found_it(pk):
    [claim] = leases.claim_due(clock.now(), lane="provider", limit=10)

    assert (claim.task_id, claim.kind, claim.lane) == (pk, "video_generation", "provider")
    assert take(pk) is None
    assert take(pk, claim=uuid.uuid4()) is None
    assert take(pk, claim=claim.token) is not None


@pytest.mark.parametrize("behind", [0.0, 0.2, 1.0, 1.5, 2.5, 65.0])
def test_a_row_that_was_claimed_is_taken_by_a_worker_whose_clock_is_behind(pk, time_travel, behind):
    now = clock.now()
    Task.objects.update(next_step_at=now)
    [claim] = leases.claim_due(now, lane="provider", limit=10)

    time_travel.move_to(now - timedelta(seconds=behind))

    assert take(pk, claim=claim.token) is not None


@pytest.mark.skipif(connection.vendor == "sqlite", reason="on SQLite the host's clock is the one")
@pytest.mark.parametrize("off", [-65.0, -1.5, 1.0, 5.0, 65.0])
def test_a_host_whose_clock_is_wrong_neither_takes_a_lease_away_nor_a_step_late_or_early(consumer, off):
    leased, due, waiting = (uuid.UUID(consumer.generate()["task_id"]) for _ in range(3))
    Task.objects.filter(pk=waiting).update(next_step_at=later(seconds=30))
    assert take(leased)

    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=off), tick=True):
        assert take(leased) is None
        assert [claim.task_id for claim in leases.claim_due(clock.now(), lane="provider", limit=10)] == [due]
        assert take(waiting) is None


def test_a_hint_is_taken_although_the_step_is_due_a_moment_later_by_the_takers_reading(pk, time_travel):
    """Two processes read the one clock to within a round trip."""
    time_travel.move_to(Task.objects.get(pk=pk).next_step_at - timedelta(milliseconds=20), tick=False)

    assert take(pk) is not None


def test_a_claim_is_worth_one_step(pk):
    [claim] = leases.claim_due(clock.now(), lane="provider", limit=10)

    assert take(pk, claim=claim.token) is not None
    assert take(pk, claim=claim.token) is None


def test_a_claim_whose_worker_died_lapses(pk):
    leases.claim_due(clock.now(), lane="provider", limit=10)

    assert leases.claim_due(later(seconds=leases.CLAIM_SECONDS - 1), lane="provider", limit=10) == []
    assert len(leases.claim_due(later(seconds=leases.CLAIM_SECONDS + 1), lane="provider", limit=10)) == 1


def test_what_waits_longest_is_claimed_first_and_no_more_than_the_limit(consumer):
    pks = [uuid.UUID(consumer.generate()["task_id"]) for _ in range(5)]
    for place, index in enumerate([3, 0, 4, 1, 2]):
        Task.objects.filter(pk=pks[index]).update(next_step_at=later(seconds=place - 100))

    first = leases.claim_due(clock.now(), lane="provider", limit=3)
    rest = leases.claim_due(clock.now(), lane="provider", limit=3)

    assert [claim.task_id for claim in first] == [pks[3], pks[0], pks[4]]
    assert [claim.task_id for claim in rest] == [pks[1], pks[2]]


def test_the_backlog_of_one_lane_is_no_other_lanes(consumer):
    for _ in range(3):
        consumer.generate()
    mine = uuid.UUID(consumer.generate()["task_id"])
    Task.objects.exclude(pk=mine).update(lane="media", next_step_at=later(seconds=-3600))

    assert [claim.task_id for claim in leases.claim_due(clock.now(), lane="provider", limit=3)] == [mine]
    assert len(leases.claim_due(clock.now(), lane="media", limit=5)) == 3


def test_a_lane_may_say_itself_whose_turn_it_is(consumer, monkeypatch):
    first, second, third = (uuid.UUID(consumer.generate()["task_id"]) for _ in range(3))
    monkeypatch.setitem(turns._choose, "provider", lambda rows, limit: list(rows.order_by("-pk").values_list("pk", flat=True)[:limit]))

    assert [claim.task_id for claim in leases.claim_due(clock.now(), lane="provider", limit=2)] == [third, second]
    assert [claim.task_id for claim in leases.claim_due(clock.now(), lane="provider", limit=2)] == [first]


def test_when_the_next_step_of_a_lane_is_due_leaves_out_what_is_at_work(consumer):
    leased, waiting = (uuid.UUID(consumer.generate()["task_id"]) for _ in range(2))
    take(leased)
    moment = later(seconds=60)
    Task.objects.filter(pk=waiting).update(next_step_at=moment)

    assert (turns.soonest("provider", clock.now()), turns.soonest("media", clock.now())) == (moment, None)


def test_only_what_is_due_active_and_free_is_claimed(consumer):
    due, waiting, leased, ended = (uuid.UUID(consumer.generate()["task_id"]) for _ in range(4))
    Task.objects.filter(pk=waiting).update(next_step_at=later(seconds=60))
    take(leased)
    end(ended, "failed")

    assert [claim.task_id for claim in leases.claim_due(clock.now(), lane="provider", limit=10)] == [due]


def test_claiming_costs_the_same_few_queries_for_one_row_and_for_many(consumer, django_assert_max_num_queries):
    for _ in range(10):
        consumer.generate()

    assert not leases.begins_nothing()  # whoever looks first writes whose database it is

    with django_assert_max_num_queries(7):  # two of them once a second at most: whether the host is drained, or the database restored
        assert len(leases.claim_due(clock.now(), lane="provider", limit=10)) == 10


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_workers_that_look_at_the_same_time_never_claim_the_same_row(consumer):
    pks = {uuid.UUID(consumer.generate()["task_id"]) for _ in range(20)}

    found = in_threads(*[lambda: leases.claim_due(clock.now(), lane="provider", limit=5)] * 4)

    claimed = [claim.task_id for claims in found for claim in claims]
    assert len(claimed) == len(set(claimed))
    assert set(claimed) <= pks
    if connection.vendor == "postgresql":
        assert len(claimed) == 20  # each skips what the others are claiming


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_workers_at_the_same_time_never_take_the_same_step(pk):
    found = in_threads(*[lambda: take(pk)] * 6)

    assert len([lease for lease in found if lease]) == 1
    assert Task.objects.get().attempts == 1
