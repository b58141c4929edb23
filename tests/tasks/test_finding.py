"""How much a worker that looks for its work takes."""

from types import SimpleNamespace
from uuid import uuid4

import pytest
from celery.worker import state

from conduit import clock
from tasks import due, finding, leases
from tasks.finding import Finder
from tasks.models import Lane


class Reserved:
    """A request that the pool has."""


@pytest.fixture
def worker(monkeypatch):
    monkeypatch.setattr(state, "reserved_requests", set())
    pool = SimpleNamespace(limit=1, uses_semaphore=True)
    return SimpleNamespace(pool=pool, semaphore=SimpleNamespace(value=1), hub=SimpleNamespace(call_soon=lambda call: None))


@pytest.fixture
def finder(worker):
    return Finder(worker, [Lane.MEDIA])


def test_a_place_that_was_given_back_twice_lets_nothing_pile_up_in_front_of_the_pool(worker, finder):
    assert finder.room() == 1
    state.reserved_requests.add(Reserved())
    assert worker.semaphore.value == 1
    assert finder.room() == 0


def test_what_the_loop_dropped_on_its_way_to_the_pool_takes_a_place_no_longer_than_its_claim(finder, monkeypatch):
    monkeypatch.setattr(due, "soonest", lambda lane, now: now)
    monkeypatch.setattr(leases, "claim_due", lambda now, lane, limit: [leases.Claim(uuid4(), "video_generation", lane, uuid4())])
    moment = 1000.0
    monkeypatch.setattr(finding, "time", SimpleNamespace(monotonic=lambda: moment))
    monkeypatch.setattr(clock, "now", lambda: 0)

    finder._look_in(Lane.MEDIA)
    moment += leases.CLAIM_SECONDS - 1
    assert finder.room() == 0
    moment += 2
    assert finder.room() == 1
