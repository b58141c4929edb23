"""A key's history as streams read it: positions, what an event shows, and what each look costs."""

import gc
from datetime import timedelta
from functools import partial
from importlib import import_module
from types import SimpleNamespace
from uuid import UUID

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from conduit import clock
from tasks import history
from tasks.history import NotKept, ReplayedEvent
from tasks.models import Feed, TaskEvent
from tasks.notices import Notice, as_json, as_sse
from tasks.progress import Legs
from tasks.realtime.connections import Caller, no_longer_admitted
from tasks.realtime.feed import KeyFeed
from tasks.realtime.feeds import _asked
from tasks.realtime.seats import TooManyConnections
from tasks.realtime.sse import EventStream
from tasks.realtime.stream import TaskStream
from tests.support.ending import end

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def test_each_key_counts_its_own_events_from_one(make_consumer):
    for name in ("ann", "bob"):
        consumer = make_consumer(name)
        end(consumer.generate()["task_id"], "cancelled")
        events = TaskEvent.objects.filter(key=consumer.key).order_by("position")
        assert list(events.values_list("position", "status")) == [(1, "queued"), (2, "cancelled")]
        assert Feed.objects.get(key=consumer.key).position == 2


def test_an_event_shows_its_task_as_it_was_and_nothing_of_what_came_later(consumer, time_travel):
    time_travel.move_to(clock.now(), tick=False)
    created = consumer.generate()
    end(created["task_id"], "failed")

    queued, failed = (one.notice for one in history.page(consumer.key.pk, 0).events)

    assert queued.task == created
    assert failed.task == consumer.task(created["task_id"])


@pytest.mark.parametrize(("after", "told"), [(0, [1, 2]), (1, [2]), (2, [])])
def test_a_page_holds_what_came_after_a_position(consumer, after, told):
    end(consumer.generate()["task_id"], "cancelled")

    page = history.page(consumer.key.pk, after)

    assert ([one.position for one in page.events], page.reached, page.is_last) == (told, 2, True)


def test_a_page_ends_and_the_next_one_goes_on(consumer, monkeypatch):
    monkeypatch.setattr(history, "PAGE", 3)
    for _ in range(2):
        end(consumer.generate()["task_id"], "cancelled")

    first = history.page(consumer.key.pk, 0)
    second = history.page(consumer.key.pk, first.reached)

    assert (first.reached, first.is_last) == (3, False)
    assert ([one.position for one in second.events], second.reached, second.is_last) == ([4], 4, True)


def test_a_key_that_never_had_an_event_has_a_history_that_is_empty_and_whole(consumer):
    assert history.page(consumer.key.pk, 0).events == []
    assert isinstance(history.page(consumer.key.pk, 1), NotKept)
    assert history.snapshot_of(consumer.key.pk) == (0, [])


def test_looks_into_the_history_cost_the_same_few_queries_however_much_there_is(consumer, make_consumer, django_assert_num_queries):
    for _ in range(5):
        consumer.generate()
    end(consumer.generate()["task_id"], "completed")
    key_id = consumer.key.pk

    with django_assert_num_queries(2):  # the position, the tasks under way
        assert history.snapshot_of(key_id)[0] == 8
    with django_assert_num_queries(2):  # the position, the events
        assert len(history.page(key_id, 0).events) == 8
    subscribers = [Listening(consumer), Listening(make_consumer("another"))]
    with django_assert_num_queries(3):  # positions, stages, keys
        _asked([key_id, subscribers[1].caller.key_id], clock.now(), subscribers)


class Listening:
    def __init__(self, consumer):
        self.caller = Caller(consumer.key, consumer.key.secrets.get().pk, "127.0.0.1")


def test_only_callers_who_would_be_refused_now_are_named(consumer, make_consumer):
    good, gone = Listening(consumer).caller, Listening(make_consumer("gone")).caller
    gone.key.secrets.all().delete()

    assert set(no_longer_admitted([good, gone, gone])) == {gone}


def test_events_of_before_positions_are_numbered_by_key_in_their_order(make_consumer):
    keys = []
    for name in ("ann", "bob"):
        consumer = make_consumer(name)
        keys.append(consumer.key.pk)
        for _ in range(2):
            end(consumer.generate()["task_id"], "cancelled")
    # As they were: the numbering is undone, and Feed is empty.
    Feed.objects.all().delete()
    for number, event in enumerate(TaskEvent.objects.order_by("id"), start=1000):
        TaskEvent.objects.filter(pk=event.pk).update(position=number)

    migration = import_module("tasks.migrations.0003_positions")
    with connection.cursor() as cursor:
        cursor.execute(migration.NUMBER)
        cursor.execute(migration.OPEN_FEEDS)

    for key_id in keys:
        assert list(TaskEvent.objects.filter(key_id=key_id).order_by("id").values_list("position", flat=True)) == [1, 2, 3, 4]
        assert (Feed.objects.get(pk=key_id).position, Feed.objects.get(pk=key_id).kept_from) == (4, 1)
    assert not MigrationExecutor(connection).loader.detect_conflicts()


def test_an_outbox_keeps_of_progress_the_newest_where_it_came_last():
    stream = TaskStream(None, SimpleNamespace(wanted=None), as_json)

    def put(name, event_id, **task):
        stream.tell(Notice(name, event_id, task))

    put("task.progress", None, task_id="a", progress=1)
    put("task.progress", None, task_id="b", progress=1)
    put("task.started", 7, task_id="a")
    put("task.progress", None, task_id="a", progress=2)
    stream.outbox.seal()

    sent = [step.value for step in iter(lambda: take(stream.outbox), None) if step.value]
    assert ['"progress":2' in text for text in sent] == [False, False, True]
    assert '"b"' in sent[0]
    assert '"event_id":7' in sent[1]
    assert stream.outbox.bytes == 0


def take(outbox):
    """One step of a coroutine that need not wait; None after the last."""
    try:
        outbox.next().send(None)
    except StopIteration as step:
        return step if step.value is not None else None
    raise AssertionError("it waits")


def test_an_event_is_one_block_of_lines_for_server_sent_events():
    notice = Notice("task.failed", 9, {"task_id": "a", "error": "two\nlines\r\n\u2028"})

    assert as_sse(notice).decode().split("\n") == ["event: task.failed", "id: 9", "data: " + as_json(notice), "", ""]
    assert notice.rendered(as_sse) is notice.rendered(as_sse)


def test_the_stream_of_a_task_reads_its_events_alone(consumer):
    mine, other = consumer.generate()["task_id"], consumer.generate()["task_id"]
    end(other, "cancelled")
    end(mine, "cancelled")

    page = history.page(consumer.key.pk, 0, task_ids=[UUID(mine)])

    assert [one.position for one in page.events] == [1, 4]
    assert page.reached == 4


def test_an_event_stream_that_is_given_up_before_it_begins_gives_its_place_back(consumer, settings):
    settings.STREAMS_PER_KEY = 1
    caller = Listening(consumer).caller
    given_up = EventStream(caller, partial(TaskStream, form=as_sse))
    with pytest.raises(TooManyConnections):
        EventStream(caller, partial(TaskStream, form=as_sse))

    del given_up
    gc.collect()

    EventStream(caller, partial(TaskStream, form=as_sse)).close()


class Told:
    """A subscriber of the whole key that keeps what it was told."""

    def __init__(self, fails=False):
        self.wanted, self.notices, self.ended, self._fails = None, [], None, fails

    def tell(self, notice):
        if self._fails:
            raise RuntimeError("a stream that is broken")
        self.notices.append(notice)

    def end(self, error):
        self.ended = error


def happened(position, status, progress, legs=None):
    task = {"task_id": "a", "type": "video_generation", "status": status, "progress": progress, "stage": status}
    return ReplayedEvent(position, Notice(f"task.{status}", position, task), legs, 0.0)


def started_feed(*subscribers):
    """A feed that has handed on its first event: a task that reaches 90 % within ten seconds."""
    feed = KeyFeed(1, in_thread=None)
    feed.position = 0
    for subscriber in subscribers:
        feed.join(subscriber, 0)
    began = clock.now()
    feed.take(happened(1, "started", 10, Legs("processing", 10, 90, began, 10.0, 1.0)))
    return feed, began


def test_progress_never_goes_back_though_the_one_who_writes_has_a_clock_that_is_behind():
    told = Told()
    feed, began = started_feed(told)
    feed.tell_progress(began + timedelta(seconds=5))
    feed.tell_progress(began + timedelta(seconds=3))
    feed.take(happened(2, "failed", 45))

    assert [notice.task["progress"] for notice in told.notices] == [10, 50, 50]


def test_what_a_task_waits_for_follows_the_stage_that_streams_are_told():
    told = Told()
    feed, began = started_feed(told)
    feed.learn_stage("a", "waiting_for_storage", began.timestamp() + 1, Legs("processing", 10, 90, began, 10.0, 1.0))
    feed.tell_progress(began + timedelta(seconds=1))
    feed.learn_stage("a", "assembling", began.timestamp() + 2, Legs("processing", 10, 90, began, 10.0, 1.0))
    feed.tell_progress(began + timedelta(seconds=2))

    waits = [(notice.task["stage"], notice.task["waiting_for"]) for notice in told.notices[1:]]
    assert waits == [("waiting_for_storage", "storage"), ("assembling", None)]


def test_an_event_reaches_all_other_streams_when_one_of_them_is_broken():
    broken, told = Told(fails=True), Told()
    feed, _ = started_feed(broken, told)
    feed.take(happened(2, "failed", 10))

    assert [notice.event_id for notice in told.notices] == [1, 2]
    assert broken.ended.status == 500
