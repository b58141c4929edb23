"""A reader of what happens to all tasks misses nothing, in whatever order it becomes visible."""

from datetime import timedelta

import pytest

from conduit import clock
from tasks import changes
from tasks.changes import Changes
from tasks.models import Status, Task, TaskEvent
from tests.support.ending import end

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


@pytest.fixture
def reader():
    reader = Changes()
    reader.look()
    return reader


def event_of(task_id, status, number):
    """An event with that id, as if its transaction had taken it and committed now."""
    task = Task.objects.get(pk=task_id)
    TaskEvent.objects.create(pk=number, task=task, key=task.key, position=number, status=status)


def test_each_look_tells_what_happened_since_the_last_one(reader, consumer):
    first, second = (consumer.generate()["task_id"] for _ in range(2))
    seen = reader.look()
    assert (seen.tasks, seen.created) == ({first, second}, (first, second))

    end(first, "cancelled")
    seen = reader.look()
    assert (seen.tasks, seen.created) == ({first}, ())
    assert reader.look().tasks == frozenset()


def test_an_event_that_commits_after_later_ones_is_not_missed(reader, consumer):
    task_id = consumer.generate()["task_id"]
    reader.look()
    newest = TaskEvent.objects.latest("pk").pk

    event_of(task_id, Status.FAILED, newest + 3)
    assert reader.look().tasks == {task_id}
    event_of(task_id, Status.COMPLETED, newest + 1)
    assert reader.look().tasks == {task_id}
    event_of(task_id, Status.CANCELLED, newest + 2)
    assert reader.look().tasks == {task_id}
    assert reader.look().tasks == frozenset()


def test_ids_that_were_rolled_back_are_not_waited_for_for_ever(consumer, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(changes, "PATIENCE_SECONDS", 0)
    reader = Changes()
    reader.look()
    task_id = consumer.generate()["task_id"]
    event_of(task_id, Status.FAILED, TaskEvent.objects.latest("pk").pk + 50)
    reader.look()
    reader.look()

    with django_assert_num_queries(2) as queries:
        assert reader.look().tasks == frozenset()
    assert " OR " not in queries[0]["sql"]


def test_who_has_missed_too_much_reads_everything_anew(reader, consumer, monkeypatch):
    monkeypatch.setattr(changes, "EVENTS_MAX", 2)
    for _ in range(3):
        consumer.generate()

    assert reader.look().everything


def test_a_history_that_is_another_one_is_read_anew(reader, consumer):
    task_id = consumer.generate()["task_id"]
    reader.look()
    TaskEvent.objects.all().delete()

    assert reader.look().everything
    event_of(task_id, Status.QUEUED, 1)
    assert reader.look().tasks == {task_id}


def test_only_tasks_that_were_written_to_lately_are_looked_at_again(consumer):
    old, new = (consumer.generate()["task_id"] for _ in range(2))
    now = clock.now()
    Task.objects.filter(pk=old).update(updated_at=now - timedelta(minutes=1))

    assert [one.task_id for one in changes.followed([old, new], [], now)] == [new]
    assert {one.task_id for one in changes.followed([old, new], [old], now)} == {old, new}


def test_how_many_tasks_are_newer_is_counted_up_to_a_bound(consumer, monkeypatch):
    first, second, third = (consumer.generate()["task_id"] for _ in range(3))

    assert changes.newest_ids() == [first, second, third]
    assert (changes.newest_id(), changes.count_newer(first)) == (third, 2)
    monkeypatch.setattr(changes, "NEWEST", 1)
    assert (changes.newest_ids(), changes.count_newer(first)) == ([third], 1)
