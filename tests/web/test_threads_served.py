"""What keeps one key's calls waiting keeps nobody else waiting, in the process that serves."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import requests

from tests.conftest import Consumer
from tests.support.databases import database_url
from tests.support.web import Web

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
THREADS = 8
BODY = {"model": "minimax-video", "prompt": "a cat"}


def waiting_for_locks(watcher: Any) -> int:
    row = watcher.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")
    return row.fetchone()[0]


@contextmanager
def held(*consumers: Consumer) -> Iterator[Callable[[], int]]:
    """Somebody holds the rows of these keys; gives what counts the calls that wait for them."""
    with psycopg.connect(database_url()) as holder, psycopg.connect(database_url(), autocommit=True) as watcher:
        holder.execute("SELECT id FROM keys_virtualkey WHERE id = ANY(%s) FOR UPDATE", [[consumer.key.pk for consumer in consumers]])

        yield lambda: waiting_for_locks(watcher)
        holder.rollback()


def create(web: Web, consumer: Consumer) -> int:
    headers = {"Authorization": f"Bearer {consumer.secret}"}
    return requests.post(f"{web.url}/v1/video/generations", json=BODY, headers=headers, timeout=60).status_code


def read(web: Web, consumer: Consumer) -> int:
    return requests.get(f"{web.url}/v1/models", headers={"Authorization": f"Bearer {consumer.secret}"}, timeout=60).status_code


def until(true: Callable[[], bool]) -> None:
    """What the database says changes by itself: ask until it is so."""
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def posting() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4 * THREADS) as threads:
        yield threads


def test_of_creates_that_wait_for_their_keys_row_two_wait_at_it_and_the_others_stand_in_line(
    web: Web, make_consumer: Any, posting: Any
) -> None:
    ann, ben = make_consumer("ann"), make_consumer("ben")
    assert {read(web, ann), read(web, ben)} == {200}  # now it is known whose their secrets are
    with held(ann) as waiting:
        creates = [posting.submit(create, web, ann) for _ in range(2 * THREADS)]
        until(lambda: waiting() == 2)
        # Few: on a busy machine they must be over before those two have waited for LOCK_SECONDS.
        assert {read(web, ben) for _ in range(3)} == {200}
        assert {read(web, ann) for _ in range(3)} == {200}
        assert waiting() == 2
        assert not any(answer.done() for answer in creates)
    assert {answer.result(60) for answer in creates} == {202}


def test_a_process_is_alive_while_all_its_threads_wait(web: Web, make_consumer: Any, posting: Any) -> None:
    consumers = [make_consumer(f"consumer {number}") for number in range(THREADS)]
    assert {read(web, consumer) for consumer in consumers} == {200}
    with held(*consumers) as waiting:
        creates = [posting.submit(create, web, consumer) for consumer in consumers]
        until(lambda: waiting() == THREADS)
        assert requests.get(f"{web.url}/health/live", timeout=60).json() == {"status": "ok"}
        assert not any(answer.done() for answer in creates)
    assert {answer.result(60) for answer in creates} == {202}


def test_a_process_is_ready_for_a_balancer_whose_address_sends_more_than_is_served(web: Web, posting: Any) -> None:
    with psycopg.connect(database_url()) as holder, psycopg.connect(database_url(), autocommit=True) as watcher:
        holder.execute("LOCK TABLE keys_keysecret IN ACCESS EXCLUSIVE MODE")
        invented = [
            posting.submit(requests.get, f"{web.url}/v1/models", headers={"Authorization": f"Bearer condt_{number}"}, timeout=60)
            for number in range(2 * THREADS)
        ]
        until(lambda: waiting_for_locks(watcher) == THREADS // 2)
        assert requests.get(f"{web.url}/health/ready", timeout=20).json() == {"status": "ok"}
        assert not any(answer.done() for answer in invented)
        holder.rollback()
    assert {answer.result(60).status_code for answer in invented} == {401}
