"""The newest tasks are listed on the event loop as the ordinary way lists them, to the byte; other lists go there."""

import pytest
from django.db import connection

from conduit import clock
from keys.models import VirtualKey
from tasks.models import Task
from tests.support.quick_reads import alike, asked, scope_of

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite keeps the ordinary way"),
]


@pytest.fixture(autouse=True)
def _still(monkeypatch):
    """The clock stands: what is read off it is the same for both."""
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)


@pytest.mark.parametrize("root", ["/v1/tasks", "/v1/video/generations"])
@pytest.mark.parametrize(("query", "listed"), [("", 4), ("limit=1", 1), ("limit=3", 3), ("limit=4", 4), ("limit=20", 4)])
def test_the_newest_tasks_are_listed_alike(consumer, make_consumer, query, listed, root):
    make_consumer("bob").generate()
    for number in range(4):
        consumer.generate(prompt=f"cat {number}")
    [quick] = asked(scope_of("", consumer.secret, query=query, root=root))

    ordinary = consumer.http.get(f"{root}?{query}", headers={"host": "localhost", "x-request-id": "mine"})

    assert len(ordinary.json()["data"]) == listed
    alike(quick, ordinary)
    assert quick.content == ordinary.content


def test_a_key_without_tasks_is_told_so_alike(consumer, make_consumer):
    make_consumer("bob").generate()
    [quick] = asked(scope_of("", consumer.secret))

    ordinary = consumer.http.get("/v1/tasks", headers={"host": "localhost", "x-request-id": "mine"})

    assert ordinary.json()["data"] == []
    alike(quick, ordinary)
    assert quick.content == ordinary.content


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=21", "limit=100", "limit=x", "limit=1&limit=2", "status=queued", "after=x", "format=json"]
)
def test_other_lists_go_the_ordinary_way(consumer, query):
    assert asked(scope_of("", consumer.secret, query=query))[0].went_on


def test_what_is_no_video_is_left_to_the_ordinary_way_where_videos_are_made(consumer):
    Task.objects.filter(pk=consumer.generate()["task_id"]).update(kind="another")

    assert asked(scope_of("", consumer.secret, root="/v1/video/generations"))[0].went_on
    assert consumer.get("/v1/video/generations").json()["data"] == []


def test_a_limit_that_is_used_up_is_told_alike(consumer):
    VirtualKey.objects.filter(pk=consumer.key.pk).update(reads_per_minute=0)
    [quick] = asked(scope_of("", consumer.secret))

    ordinary = consumer.http.get("/v1/tasks", headers={"host": "localhost", "x-request-id": "mine"})

    assert quick.status_code == 429
    alike(quick, ordinary)
    assert quick.content == ordinary.content
