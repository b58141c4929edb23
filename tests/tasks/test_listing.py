"""GET /v1/tasks"""

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conduit import clock
from tasks import search
from tasks.models import Task
from tests.support.ending import end
from tests.support.envelopes import refused

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def listed(consumer, **query):
    answer = consumer.http.get("/v1/tasks", query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def ids(page):
    return [task["task_id"] for task in page["data"]]


def test_nothing_is_an_empty_list(consumer):
    assert listed(consumer) == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


def test_tasks_are_listed_newest_first_each_as_a_read_shows_it(consumer, time_travel):
    time_travel.move_to(clock.now())
    made = []
    for number in range(3):
        time_travel.shift(timedelta(seconds=1))
        made.append(consumer.generate(f"cat {number}")["task_id"])
    for task_id, status in zip(made, ["completed", "failed", "cancelled"], strict=True):
        end(task_id, status)

    page = listed(consumer)

    assert ids(page) == made[::-1]
    assert (page["first_id"], page["last_id"], page["has_more"]) == (made[2], made[0], False)
    assert page["data"] == [consumer.task(task_id) for task_id in made[::-1]]


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8, 100])
def test_paging_shows_every_task_once_whatever_the_limit(consumer, limit):
    made = {consumer.generate()["task_id"] for _ in range(7)}

    seen, query = [], {"limit": limit}
    while True:
        page = listed(consumer, **query)
        assert len(page["data"]) <= limit
        assert (page["first_id"], page["last_id"]) == (ids(page)[0], ids(page)[-1])
        seen += ids(page)
        if not page["has_more"]:
            break
        query["after"] = page["last_id"]

    assert seen == sorted(made, reverse=True)


def test_a_page_after_the_last_task_is_empty(consumer):
    task_id = consumer.generate()["task_id"]

    assert listed(consumer, after=task_id)["data"] == []


def test_tasks_that_come_meanwhile_do_not_shift_the_next_page(consumer):
    made = sorted((consumer.generate()["task_id"] for _ in range(4)), reverse=True)
    first = listed(consumer, limit=2)
    consumer.generate()

    assert ids(listed(consumer, limit=2, after=first["last_id"])) == made[2:]


def test_twenty_are_listed_when_no_limit_is_given(consumer):
    for _ in range(21):
        consumer.generate()

    page = listed(consumer)

    assert (len(page["data"]), page["has_more"]) == (20, True)


def test_a_key_sees_only_its_own_tasks(make_consumer):
    ann, bob = make_consumer("ann"), make_consumer("bob")
    hers, his = ann.generate()["task_id"], bob.generate()["task_id"]

    assert (ids(listed(ann)), ids(listed(bob))) == ([hers], [his])


def test_a_status_filters(consumer):
    made = {status: consumer.generate()["task_id"] for status in ("queued", "completed", "failed", "cancelled")}
    for status, task_id in made.items():
        if status != "queued":
            end(task_id, status)

    assert {status: ids(listed(consumer, status=status)) for status in made} == {status: [task_id] for status, task_id in made.items()}
    assert ids(listed(consumer, status="processing")) == []


def test_a_model_filters_by_the_name_that_was_asked_for(consumer):
    alias, name = consumer.generate()["task_id"], consumer.generate(model="video-01")["task_id"]

    assert ids(listed(consumer, model="minimax-video")) == [alias]
    assert ids(listed(consumer, model="video-01")) == [name]
    assert ids(listed(consumer, model="unknown")) == []


def test_a_moment_filters_what_was_created_after_it(consumer):
    early, late = consumer.generate()["task_id"], consumer.generate()["task_id"]
    moment = clock.now().replace(microsecond=0)
    Task.objects.filter(pk=early).update(created_at=moment)
    Task.objects.filter(pk=late).update(created_at=moment + timedelta(seconds=1))

    assert ids(listed(consumer, created_after=moment.isoformat())) == [late]
    assert ids(listed(consumer, created_after=(moment + timedelta(seconds=1)).isoformat())) == []
    assert set(ids(listed(consumer, created_after=(moment - timedelta(days=1)).date().isoformat()))) == {early, late}


def test_filters_go_together_and_with_paging(consumer):
    failed = sorted((str(end(consumer.generate()["task_id"], "failed").pk) for _ in range(3)), reverse=True)
    consumer.generate()

    first = listed(consumer, status="failed", model="minimax-video", created_after="2020-01-01", limit=2)
    rest = listed(consumer, status="failed", limit=2, after=first["last_id"])

    assert (ids(first), first["has_more"]) == (failed[:2], True)
    assert (ids(rest), rest["has_more"]) == (failed[2:], False)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("limit=5&limit=x", "limit"),
        ("limit=%D9%A5", "limit"),
        ("created_after=yesterday", "created_after"),
        ("created_after=", "created_after"),
        ("created_after=2026-02-30", "created_after"),
        ("created_after=9999-12-31T23:59:59-14:00", "created_after"),
        ("created_after=%00", "created_after"),
        ("status=done", "status"),
        ("status=", "status"),
        ("status=QUEUED", "status"),
        ("status=%00", "status"),
        ("model=%00", "model"),
        ("after=", "after"),
        ("after=7", "after"),
        ("after=%00", "after"),
        ("after=%ff", "after"),
        ("after=01a20278-ca5c-7589-8260-f58625356f59", "after"),
    ],
)
def test_a_bad_query_is_400_and_names_the_parameter(consumer, query, param):
    refused(consumer.get(f"/v1/tasks?{query}"), 400, "invalid_request", param)


def test_after_a_task_of_another_key_is_refused_as_if_there_were_none(make_consumer):
    ann, bob = make_consumer("ann"), make_consumer("bob")
    hers = ann.generate()["task_id"]
    bob.generate()

    foreign = refused(bob.get(f"/v1/tasks?after={hers}"), 400, "invalid_request", "after")

    assert foreign == refused(bob.get(f"/v1/tasks?after={UUID(int=7)}"), 400, "invalid_request", "after")


@pytest.mark.parametrize(
    "query",
    [
        "model=%ff",
        "model=%ED%A0%80",
        "model=" + "x" * 3000,
        "created_after=2026-01-31T12:00:00+01:00",
        "created_after=9999-12-31T23:59:59.9999Z",
    ],
)
def test_a_strange_query_that_matches_nothing_is_an_answer(consumer, query):
    assert consumer.get(f"/v1/tasks?{query}").status_code == 200


def test_a_list_costs_the_same_queries_for_one_task_and_for_many(consumer):
    consumer.generate()
    with CaptureQueriesContext(connection) as one:
        listed(consumer)
    for _ in range(10):
        end(consumer.generate()["task_id"], "completed")
    with CaptureQueriesContext(connection) as many:
        page = listed(consumer)

    assert len(page["data"]) == 11
    assert len(many) == len(one) == 2
    assert all(query["sql"].startswith("SELECT") for query in many)


# ---- Several filters, and lists that are long ----------------------------------------------------------------------------


def test_several_statuses_filter_together(consumer):
    made = {status: consumer.generate()["task_id"] for status in ("queued", "completed", "failed", "cancelled")}
    for status, task_id in made.items():
        if status != "queued":
            end(task_id, status)
    wanted = [made["cancelled"], made["failed"]]

    assert ids(listed(consumer, status="failed,cancelled")) == ids(listed(consumer, status=["failed", "cancelled"])) == wanted
    assert ids(listed(consumer, status="queued,completed")) == [made["completed"], made["queued"]]


def test_metadata_filters_by_name_and_value(consumer):
    first = consumer.generate(metadata={"order": "7", "shot": "a b"})["task_id"]
    second = consumer.generate(metadata={"order": "7"})["task_id"]
    consumer.generate(metadata={"order": "8"})
    consumer.generate(metadata={"order 7": "7"})

    assert ids(listed(consumer, **{"metadata[order]": "7"})) == [second, first]
    assert ids(listed(consumer, **{"metadata[order]": "7", "metadata[shot]": "a b"})) == [first]
    assert len(ids(listed(consumer, **{"metadata[order]": ["7", "8"]}))) == 3
    assert ids(listed(consumer, **{"metadata[order]": "9"})) == []


def test_created_before_and_after_are_the_two_ends(consumer, time_travel):
    time_travel.move_to("2026-06-01T12:00:00Z", tick=False)
    made = []
    for _ in range(3):
        made.append(consumer.generate()["task_id"])
        time_travel.shift(timedelta(hours=1))

    assert ids(listed(consumer, created_before="2026-06-01T13:00:00Z")) == made[:1]
    assert ids(listed(consumer, created_after="2026-06-01T12:00:00Z", created_before="2026-06-01T14:00:00Z")) == made[1:2]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"status": "failed,"}, "status"),
        ({"created_before": "soon"}, "created_before"),
        ({"metadata[]": "1"}, "metadata"),
        ({"metadata[a]": "\0"}, "metadata"),
        ({f"metadata[{number}]": "1" for number in range(17)}, "metadata"),
    ],
)
def test_a_filter_that_means_nothing_is_refused(consumer, query, param):
    refused(consumer.http.get("/v1/tasks", query), 400, "invalid_request", param)


@pytest.mark.parametrize("query", [{"status": "completed"}, {"metadata[order]": "7"}, {"model": "minimax-video", "status": "failed"}])
def test_a_list_that_is_filtered_leads_to_everything_although_one_call_looks_at_a_bounded_number(consumer, monkeypatch, query):
    monkeypatch.setattr(search, "LOOKED_AT", 3)
    wanted = []
    for number in range(8):
        task_id = consumer.generate(metadata={"order": "7" if number % 4 == 0 else "8"})["task_id"]
        if number % 4 == 0:
            wanted.append(task_id)
            end(task_id, query.get("status", "completed"))

    seen, asked = [], dict(query)
    for _ in range(20):
        page = listed(consumer, limit=2, **asked)
        seen += ids(page)
        if not page["has_more"]:
            break
        asked["after"] = page["last_id"]

    assert seen == wanted[::-1]


def test_videos_are_listed_and_read_where_they_are_made(consumer, time_travel):
    time_travel.move_to(clock.now(), tick=False)  # how long it will still take is less a second later
    task_id = consumer.generate()["task_id"]

    assert consumer.get("/v1/video/generations").json() == listed(consumer)
    assert consumer.get("/v1/video/generations?status=queued").json()["data"][0]["task_id"] == task_id
    assert consumer.get(f"/v1/video/generations/{task_id}").json() == consumer.task(task_id)
    refused(consumer.get("/v1/video/generations/unknown"), 404, "task_not_found", "task_id")
