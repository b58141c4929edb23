"""Where a call goes back up, from a room to a higher one by what that registered: nowhere in a create, rarely in a step."""

from dataclasses import fields, replace
from typing import Any

import pytest

from keys import work
from tasks import kinds, lifecycle, publishing
from tasks.models import Status, Task

pytestmark = pytest.mark.django_db


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """The names of what was asked of a higher room. Messages are made at once, as if somebody listened to each key."""
    names: list[str] = []

    def noting(registered: Any) -> Any:
        def noted(name: str, function: Any) -> Any:
            return lambda *given, **named: (names.append(name), function(*given, **named))[1]

        found = {field.name: getattr(registered, field.name) for field in fields(registered)}
        return replace(registered, **{name: noted(name, value) for name, value in found.items() if callable(value)})

    for name, kind in list(kinds._kinds.items()):
        monkeypatch.setitem(kinds._kinds, name, noting(kind))
    monkeypatch.setattr(work, "_registered", [noting(work.current())])
    monkeypatch.setattr(publishing._publisher, "put", lambda key_id, message, waits=False: message())
    return names


def test_a_create_asks_nothing_of_a_higher_room_and_is_answered_and_told_all_the_same(
    consumer, asked, django_capture_on_commit_callbacks, monkeypatch
):
    consumer.key.tasks_in_flight = consumer.key.tasks_per_hour = 10
    consumer.key.save()
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(publishing._publisher, "put", lambda key_id, message, waits=False: told.append(message()))
    with django_capture_on_commit_callbacks(execute=True):
        answer = consumer.http.post(
            "/v1/video/generations",
            {"prompt": "a cat", "model": "video-01", "duration": 6, "resolution": "1280x720"},
            content_type="application/json",
            headers={"Idempotency-Key": "once"},
        )
    assert answer.status_code == 202
    [created] = (one for one in told if one["type"] == "task.event")
    assert (created["task"]["prompt"], created["task"]["status"]) == ("a cat", "queued")
    assert asked == []


def test_a_step_asks_at_most_twice_and_writing_an_event_never(consumer, driver, media, asked, django_capture_on_commit_callbacks):
    task_id = consumer.generate()["task_id"]
    asked.clear()
    while Task.objects.get(pk=task_id).is_active:
        with django_capture_on_commit_callbacks() as on_commit:
            driver.step(task_id)
        assert asked == []  # up to the commit
        for tell in on_commit:
            tell()
        assert len(asked) <= 2
        asked.clear()


def test_of_a_cancelled_task_its_kind_says_alone_what_it_owes(consumer, asked):
    task_id = consumer.generate()["task_id"]
    asked.clear()
    assert lifecycle.move(Task.objects.get(pk=task_id).pk, Status.CANCELLED)
    assert asked == ["owed_when_cancelled"]
