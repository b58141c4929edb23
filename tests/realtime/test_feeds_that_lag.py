"""A process whose feed of a key is behind the database, or ahead of one that was restored."""

import asyncio
from functools import partial

import pytest
from django.db import connection

from conduit.api.errors import Overloaded
from tasks.history import Page
from tasks.models import Feed, Task, TaskEvent
from tasks.realtime.connections import Caller
from tasks.realtime.feed import KeyFeed
from tasks.realtime.feeds import Feeds
from tests.support.ending import end
from tests.support.marks import SOAK_ON_SQLITE

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), *SOAK_ON_SQLITE]

# Nobody tells this process of events, and it looks for them itself only after the test.
DEAF = {"REDIS_URL": "redis://127.0.0.1:1/0", "STREAM_WATCH_SECONDS": "60"}
QUICK = {"STREAM_WATCH_SECONDS": "0.3"}


@pytest.mark.sqlite
def test_who_resumes_past_a_feed_is_not_told_how_its_tasks_stood_before(start_web, listen, consumer):
    over, active = consumer.generate("over")["task_id"], consumer.generate("active")["task_id"]
    web = start_web(**DEAF)
    early = listen.socket(web=web)
    assert {early.next()["task"]["task_id"] for _ in range(2)} == {over, active}
    end(over, "cancelled")

    for late in (listen.socket(web=web, after=1), listen.events(web=web, after=1)):
        told = [late.next() for _ in range(3)]
        assert [(one["type"], one["event_id"]) for one in told] == [("task.queued", 2), ("task.cancelled", 3), ("task.snapshot", 3)]
        assert told[-1]["task"]["task_id"] == active
    assert early.until_type("task.cancelled")["event_id"] == 3


class Reader:
    """A stream that keeps what it is told."""

    wanted = None

    def __init__(self, key):
        self.caller = Caller(key, 0, "")
        self.told = []
        self.changed = asyncio.Event()

    def tell(self, notice):
        self.told.append((notice.type, notice.event_id))
        self.changed.set()

    async def drained(self):
        return

    def end(self, error):
        raise AssertionError(error)


async def in_thread(work):
    def and_give_the_connection_back():
        try:
            return work()
        finally:
            connection.close()

    return await asyncio.to_thread(and_give_the_connection_back)


@pytest.mark.sqlite
def test_an_event_of_which_is_heard_while_those_before_are_read_is_read_next(consumer):
    tasks = [consumer.generate()["task_id"] for _ in range(3)]

    async def case():
        happened = []

        async def reading(work):
            found = await in_thread(work)
            if isinstance(found, Page) and not happened:
                happened.append(await in_thread(partial(end, tasks[1], "cancelled")))
                feed.heard_of(5)
            return found

        feed, reader = KeyFeed(consumer.key.pk, reading), Reader(consumer.key)
        await feed.opened(lambda: asyncio.sleep(0))
        feed.join(reader, 3)
        await in_thread(partial(end, tasks[0], "cancelled"))
        feed.heard_of(4)
        while len(reader.told) < 2:
            reader.changed.clear()
            await asyncio.wait_for(reader.changed.wait(), 60)
        return reader.told

    assert asyncio.run(case()) == [("task.cancelled", 4), ("task.cancelled", 5)]


def go_back_to(position):
    """Make of the database the one that it was, as restoring a backup does."""
    TaskEvent.objects.filter(position__gt=position).delete()
    Task.objects.exclude(pk__in=TaskEvent.objects.values("task_id")).delete()
    Feed.objects.update(position=position)


def test_streams_that_outlive_a_database_restored_from_a_backup_begin_anew(start_web, listen, consumer):
    kept = consumer.generate("kept")["task_id"]
    for _ in range(5):
        lost = consumer.generate("lost")["task_id"]
    web = start_web(**QUICK)
    socket, events, hub = listen.socket(web=web), listen.events(web=web), listen.hub(web=web)
    gone = listen.socket(web=web, path=f"/ws/tasks/{lost}")
    for stream in (socket, events):
        assert len({stream.next()["task"]["task_id"] for _ in range(6)}) == 6
    gone.until_type("task.snapshot")
    hub.invoke("SubscribeToTask", kept)

    go_back_to(1)
    for stream in (socket, events):
        assert stream.until_type("resync")["event_id"] == 1
        assert stream.next()["task"]["task_id"] == kept
    assert hub.until(lambda message: message["type"] == "Resync")["eventId"] == 1
    assert gone.rest()[-1]["type"] == "resync"
    assert gone.close_code == 1012
    end(kept, "cancelled")

    for stream in (socket, events, hub):
        assert stream.until(lambda message: "ancelled" in message["type"])


def test_a_stream_that_opens_while_its_process_stops_is_sent_on(consumer):
    async def case():
        feeds = Feeds()
        feeds.drain()
        await feeds.subscribe(Reader(consumer.key))

    with pytest.raises(Overloaded):
        asyncio.run(case())
