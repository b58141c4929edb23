"""Stored events are the truth: whatever happens to messages, Redis and processes, each arrives once and in order."""

import json
import os
import signal
import socket
import threading
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection, transaction

from conduit import clock
from conduit.rollups.jobs import roll_up
from keys.models import VirtualKey
from tasks import lifecycle
from tasks.models import Feed, Status, TaskEvent
from tasks.retention import forget_old_events
from tests.support import nursery
from tests.support.databases import database_url
from tests.support.ending import end
from tests.support.marks import SOAK_ON_SQLITE
from tests.support.racing import in_threads
from tests.support.valkey import ValkeyForTests

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), *SOAK_ON_SQLITE]

QUICK = {"STREAM_WATCH_SECONDS": "0.3"}


@pytest.fixture
def own_valkey():
    server = ValkeyForTests()
    server.start()
    yield server
    server.stop()


def open_all(listen, web):
    """One stream of each kind, each with all there was: what happens from now on is told by the feed."""
    hub = listen.hub(web=web)
    hub.invoke("Resume", 0)
    streams = [listen.socket(web=web), listen.events(web=web)]
    for stream in streams:
        assert stream.next()["type"] == "task.snapshot"
    return [*streams, hub]


def ends(stream, count=1):
    """The event ids of the next events that a cancelled task's streams were told of."""
    return [stream.until(lambda message: "ancelled" in message["type"]).get("event_id") or stream.seen[-1]["eventId"] for _ in range(count)]


@pytest.mark.sqlite
def test_events_that_were_never_published_arrive_all_the_same(start_web, listen, consumer, own_valkey):
    tasks = [consumer.generate()["task_id"] for _ in range(3)]
    web = start_web(REDIS_URL=own_valkey.url, **QUICK)  # this test publishes to another server
    streams = open_all(listen, web)

    for task_id in tasks:
        end(task_id, "cancelled")

    assert [ends(stream, 3) for stream in streams] == [[4, 5, 6]] * 3


def test_events_arrive_while_redis_is_away_and_when_it_is_back(start_web, listen, consumer, own_valkey):
    first, second, third = (consumer.generate()["task_id"] for _ in range(3))
    web = start_web(REDIS_URL=own_valkey.url, **QUICK)
    streams = [listen.socket(web=web), listen.events(web=web)]
    for stream in streams:
        assert stream.next()["type"] == "task.snapshot"

    own_valkey.stop()
    end(first, "cancelled")
    assert [ends(stream) for stream in streams] == [[4], [4]]
    late = listen.socket(web=web)
    assert late.next()["type"] == "task.snapshot"
    end(second, "cancelled")
    assert [ends(stream) for stream in [*streams, late]] == [[5]] * 3
    own_valkey.start()
    end(third, "cancelled")
    assert [ends(stream) for stream in [*streams, late]] == [[6]] * 3


def test_an_event_arrives_whose_process_died_between_commit_and_publishing(web, listen, consumer):
    task_id = consumer.generate()["task_id"]
    streams = open_all(listen, web)

    given = os.environ | {"DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "conduit.settings"}
    died = nursery.run(["-m", "tests.support.dying", task_id], given)

    assert died.returncode == -signal.SIGKILL
    assert [ends(stream) for stream in streams] == [[2]] * 3


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
def test_an_event_that_commits_late_comes_before_those_that_waited_for_it(listen, consumer):
    slow, quick = consumer.generate("slow")["task_id"], consumer.generate("quick")["task_id"]
    streams = [listen.socket(), listen.events(), listen.hub().joined()]
    for stream in streams[:2]:
        assert stream.next()["type"] == "task.snapshot"
    holding, release, done = threading.Event(), threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            lifecycle.move(UUID(slow), Status.CANCELLED, stage="cancelled")
            holding.set()
            assert not done.wait(0.5), "the later event did not wait for its turn"
            release.set()

    def follow():
        assert holding.wait(60)
        lifecycle.move(UUID(quick), Status.CANCELLED, stage="cancelled")
        done.set()

    in_threads(hold, follow)

    for stream in streams:
        assert ends(stream, 2) == [3, 4]
    assert TaskEvent.objects.get(task_id=slow, status="cancelled").position == 3


@pytest.mark.sqlite
def test_positions_of_a_key_are_dense_when_many_write_at_once_and_some_roll_back(consumer):
    tasks = [UUID(consumer.generate()["task_id"]) for _ in range(12)]

    def move(number):
        def work():
            for task_id in tasks[number::4]:
                with transaction.atomic():
                    lifecycle.move(task_id, Status.FAILED, stage="failed", error="no", error_code="provider_error")
                    if number == 3:
                        transaction.set_rollback(True)

        return work

    in_threads(*(move(number) for number in range(4)))

    positions = list(TaskEvent.objects.order_by("position").values_list("position", flat=True))
    assert positions == list(range(1, 22))
    assert Feed.objects.get().position == 21


@pytest.mark.sqlite
def test_a_history_that_was_forgotten_is_answered_with_resync(listen, consumer, settings):
    old, new = consumer.generate("old")["task_id"], consumer.generate("new")["task_id"]
    end(old, "cancelled")
    TaskEvent.objects.update(created_at=clock.now() - timedelta(days=settings.EVENTS_KEPT_DAYS + 1))
    roll_up()

    assert forget_old_events(clock.now()) == 2  # the task that is under way keeps its own

    for after, told in ((0, "resync"), (2, "resync"), (3, "task.snapshot")):
        assert listen.socket(after=after).next()["type"] == told
    assert TaskEvent.objects.get().task_id == UUID(new)
    assert forget_old_events(clock.now()) == 0


@pytest.mark.sqlite
def test_a_long_history_is_told_whole_and_goes_over_into_what_happens_now(listen, consumer):
    for _ in range(90):
        end(consumer.generate()["task_id"], "completed")
    stream, events = listen.socket(after=0), listen.events(after=0)
    consumer.generate()

    for one in (stream, events):
        assert [one.next()["event_id"] for _ in range(271)] == list(range(1, 272))


def test_a_deploy_tells_every_stream_to_come_back_and_nothing_is_missed(start_web, web, listen, consumer):
    before, between = consumer.generate("before")["task_id"], consumer.generate("between")["task_id"]
    first, second = start_web(), web
    socket, events, hub = open_all(listen, first)
    end(before, "cancelled")
    seen = [ends(stream)[0] for stream in (socket, events, hub)]

    first.terminate()
    socket.rest(), events.rest(), hub.rest()
    end(between, "cancelled")

    assert socket.close_code == 1012
    assert hub.closing == {"type": 7, "allowReconnect": True}
    assert first.stop() == 0
    assert "Traceback" not in first.log
    assert seen == [3, 3, 3]
    again = [listen.socket(web=second, after=3), listen.events(web=second, after=3, header=True)]
    assert [ends(stream) for stream in again] == [[4], [4]]
    hub = listen.hub(web=second)
    hub.invoke("Resume", 3)
    assert ends(hub) == [4]


def test_a_request_under_way_is_answered_before_the_process_ends(start_web, consumer):
    web = start_web()
    body = json.dumps({"model": "minimax-video", "prompt": "a cat"})
    request = (
        f"POST /v1/video/generations HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {consumer.secret}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )
    with socket.create_connection(("127.0.0.1", web.port), timeout=60) as connected:
        with transaction.atomic():
            VirtualKey.objects.select_for_update().get(pk=consumer.key.pk)  # the create has to wait for it
            connected.sendall(request.encode())
            until_somebody_waits_for_a_lock()
            web.terminate()
        assert connected.recv(12) == b"HTTP/1.1 202"
    assert web.stop() == 0


def until_somebody_waits_for_a_lock():
    """In this test's database: others are on the same server."""
    waits = (
        "SELECT pg_stat_clear_snapshot(), count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with connection.cursor() as cursor:
        for _ in range(6000):
            cursor.execute(waits)
            if cursor.fetchone()[1]:
                return
            threading.Event().wait(0.01)
    raise AssertionError("nobody waits")
