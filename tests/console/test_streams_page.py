"""Whose streams are open, over all web processes."""

import re
from collections import Counter

import pytest
import redis
from django.conf import settings

from conduit.stack.ports import free_port
from conduit.streams.breaker import Breaker
from conduit.streams.seats import SharedSeats
from tasks.realtime.seats import PREFIX, seats

pytestmark = pytest.mark.django_db


@pytest.fixture
def processes():
    """Two, as Redis knows them."""
    with redis.Redis.from_url(settings.REDIS_URL) as server:
        made = [SharedSeats(server, Breaker(), prefix=PREFIX) for _ in range(2)]
        yield made
        for one in made:
            one.release(+one._own)


def take(process, consumer):
    process.acquire(str(consumer.key.pk), of_owner=None, in_all=None)


def of(*consumers):
    counts = seats().blocking.taken_by_owner()
    return [counts.get(str(one.key.pk), 0) for one in consumers]


def test_open_streams_are_counted_by_key_over_all_processes(page, processes, make_consumer):
    ann, bob, cara = (make_consumer(name) for name in ("ann", "bob", "cara"))
    before = seats().blocking.taken()
    for process, one in ((processes[0], ann), (processes[1], ann), (processes[1], bob)):
        take(process, one)

    assert of(ann, bob, cara) == [2, 1, 0]
    assert seats().blocking.taken() == before + 3
    rows = re.findall(r'virtualkey/(\d+)/change/">[^<]*</a></td><td class="number">(\d+)</td>', page("streams/"))
    assert [row for row in rows if int(row[0]) in (ann.key.pk, bob.key.pk)] == [(str(ann.key.pk), "2"), (str(bob.key.pk), "1")]


def test_keys_whose_streams_ended_are_forgotten_and_found_again(processes, make_consumer):
    ann = make_consumer("ann")
    take(processes[0], ann)
    processes[0].release(Counter({str(ann.key.pk): 1}))

    assert of(ann) == [0]
    with redis.Redis.from_url(settings.REDIS_URL) as server:
        assert not server.sismember(f"{PREFIX}owners", ann.key.pk)
    take(processes[0], ann)
    assert of(ann) == [1]


def test_what_a_killed_process_had_open_counts_no_more(processes, make_consumer):
    ann = make_consumer("ann")
    for process in processes:
        take(process, ann)
    with redis.Redis.from_url(settings.REDIS_URL) as server:
        server.delete(f"{PREFIX}process:{processes[1]._process}")

    assert of(ann) == [1]


def test_while_redis_is_away_the_page_says_so(page, settings):
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"

    assert "Redis is away, which counts streams over all processes" in page("streams/")
