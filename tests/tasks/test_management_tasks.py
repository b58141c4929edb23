"""/v1/admin/tasks: every key's tasks, for who runs the place."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conduit import clock
from keys import budget_owners
from keys.models import AuditEntry
from keys.services import change_key, create_management_key
from tasks import search
from tasks.models import Status, Task
from tests.support.ending import end
from tests.support.envelopes import refused
from tests.support.managing import Manager, make_manager
from tests.support.planned_clips import planned_clip

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


@pytest.fixture
def manager(db):
    return make_manager()


@pytest.fixture
def reader(db):
    return Manager(*create_management_key(name="looks", who="root", scopes=["read"]))


def listed(manager, query=""):
    return manager.done("GET", f"tasks?{query}")


def ids(page):
    return [task["task_id"] for task in page["data"]]


def of(consumer, status="queued", **fields):
    """A task of theirs at that status."""
    task_id = consumer.generate()["task_id"]
    match status:
        case "queued":
            pass
        case "processing":
            Task.objects.filter(pk=task_id).update(status=status)
        case _:
            end(task_id, status)
    Task.objects.filter(pk=task_id).update(**fields)
    return task_id


# What a list leaves out.
OF_ONE_ALONE = {"exchanges", "life", "plan", "ledger", "ledger_problems", "billed", "margin", "retries"}


# ---- Access


def test_tasks_of_all_keys_are_listed_newest_first(manager, make_consumer):
    made = [make_consumer(name).generate()["task_id"] for name in ("ann", "bob", "cho")]

    page = listed(manager)

    assert ids(page) == sorted(made, reverse=True)
    assert (page["object"], page["has_more"], page["last_id"]) == ("list", False, min(made))


@pytest.mark.parametrize("method_path", [("GET", "tasks"), ("GET", "tasks/x"), ("POST", "tasks/x/cancel"), ("POST", "tasks/x/retry")])
def test_a_virtual_key_opens_none_of_it(consumer, method_path):
    method, path = method_path

    assert "management key" in refused(consumer.http.generic(method, f"/v1/admin/{path}"), 401, "invalid_api_key")


def test_who_may_only_read_reads_and_steers_nothing(reader, consumer):
    task_id = of(consumer)
    failed = of(consumer, "failed")

    assert ids(listed(reader)) == [failed, task_id]
    assert reader.done("GET", f"tasks/{task_id}")["task_id"] == task_id
    for path in (f"{task_id}/cancel", f"{failed}/retry"):
        assert "`operate`" in refused(reader("POST", f"tasks/{path}"), 403, "scope_not_allowed")
    assert Task.objects.get(pk=task_id).is_active
    assert Task.objects.count() == 2


def test_who_may_all_but_read_reads_nothing(consumer):
    steers = Manager(*create_management_key(name="steers", who="root", scopes=["operate"]))

    refused(steers("GET", "tasks"), 403, "scope_not_allowed")
    refused(steers("GET", f"tasks/{of(consumer)}"), 403, "scope_not_allowed")


# ---- What is shown


def test_a_task_is_shown_as_its_owner_sees_it_with_whose_it_is(manager, consumer, time_travel):
    time_travel.move_to(clock.now(), tick=False)  # how long it will still take is less a second later
    team = budget_owners.create_team(name="film", who="root")
    change_key(consumer.key, who="root", team=team)
    task_id = of(consumer, last_error_code="rate_limit", attempts=3)
    planned_clip(UUID(task_id), 0, state="made", provider_task_id="4711", file_id="f-1", billed=Decimal("0.43"))

    shown = manager.done("GET", f"tasks/{task_id}")

    assert consumer.task(task_id).items() <= shown.items()
    assert shown["key"] == {"id": consumer.key.pk, "name": "somebody"}
    assert shown["team"] == {"id": team.pk, "name": "film"}
    assert (shown["last_error_code"], shown["attempts"]) == ("rate_limit", 3)
    (clip,) = shown["clips"]
    assert (clip["number"], clip["provider_task_id"], clip["file_id"], clip["billed"]) == (0, "4711", "f-1", "0.4300")
    assert listed(manager)["data"] == [{name: value for name, value in shown.items() if name not in OF_ONE_ALONE}]
    assert "download_url" not in str(shown)


def test_a_task_keeps_the_team_that_its_key_was_in(manager, consumer):
    film, news = (budget_owners.create_team(name=name, who="root") for name in ("film", "news"))
    change_key(consumer.key, who="root", team=film)
    first = of(consumer)
    change_key(consumer.key, who="root", team=news)
    second = of(consumer)
    change_key(consumer.key, who="root", team=None)
    third = of(consumer)
    gone = film.pk
    budget_owners.delete_team(film, who="root")

    teams = {task["task_id"]: task["team"] for task in listed(manager)["data"]}

    assert teams == {first: {"id": gone, "name": None}, second: {"id": news.pk, "name": "news"}, third: None}


def test_an_unchanged_task_is_not_sent_again(manager, consumer):
    task_id = of(consumer, "failed")
    tag = manager("GET", f"tasks/{task_id}").headers["ETag"]

    assert manager("GET", f"tasks/{task_id}", **{"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize("task_id", ["7", "x", "01a20278-ca5c-7589-8260-f58625356f59"])
@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/cancel"), ("POST", "/retry")])
def test_what_does_not_exist_is_404(manager, task_id, method, path):
    refused(manager(method, f"tasks/{task_id}{path}"), 404, "task_not_found", "task_id")


# ---- Filters


@pytest.fixture
def two(make_consumer):
    """Two keys, each with a task of every status."""
    ann, bob = make_consumer("ann"), make_consumer("bob")
    team = budget_owners.create_team(name="film", who="root")
    change_key(bob.key, who="root", team=team)
    made = {(one.key.name, status): of(one, status) for status in Status.values for one in (ann, bob)}
    return ann, bob, team, made


FILTERS = [
    ("key={ann}", lambda name, status: name == "ann"),
    ("team={team}", lambda name, status: name == "bob"),
    ("status=failed", lambda name, status: status == "failed"),
    ("status=failed&status=cancelled", lambda name, status: status in ("failed", "cancelled")),
    ("status=queued,processing", lambda name, status: status in ("queued", "processing")),
    ("status=queued,completed", lambda name, status: status in ("queued", "completed")),
    ("status=queued,processing,completed,failed,cancelled", lambda name, status: True),
    ("stage=failed", lambda name, status: status == "failed"),
    ("stage=queued", lambda name, status: status in ("queued", "processing")),  # `of` moves only the status
    ("stage=failed&status=queued", lambda name, status: False),
    ("stage=nothing", lambda name, status: False),
    ("error=provider_error", lambda name, status: status == "failed"),
    ("error=rate_limit", lambda name, status: False),
    ("model=minimax-video", lambda name, status: True),
    ("model=video-01", lambda name, status: False),
    ("key={ann}&team={team}", lambda name, status: False),
    ("key={bob}&team={team}&status=completed", lambda name, status: (name, status) == ("bob", "completed")),
    (
        "team={team}&status=failed,completed&model=minimax-video",
        lambda name, status: name == "bob" and status in ("failed", "completed"),
    ),
    ("key={ann}&status=queued", lambda name, status: (name, status) == ("ann", "queued")),
    ("error=provider_error&key={bob}", lambda name, status: (name, status) == ("bob", "failed")),
    ("created_after=9999-12-31T23:59:59.9999Z", lambda name, status: False),
    ("created_before=0001-01-01", lambda name, status: False),
    ("created_before=9999-12-31T23:59:59.9999Z&created_after=0001-01-01", lambda name, status: True),
    ("created_after=2020-01-01&created_before=2020-02-01", lambda name, status: False),
    ("created_after=2020-01-01&status=failed&key={ann}", lambda name, status: (name, status) == ("ann", "failed")),
]


def test_filters_find_what_matches_all_of_them(manager, two):
    ann, bob, team, made = two

    pages = {query: listed(manager, query.format(ann=ann.key.pk, bob=bob.key.pk, team=team.pk)) for query, _ in FILTERS}

    assert {query: ids(page) for query, page in pages.items()} == {
        query: sorted((task_id for (name, status), task_id in made.items() if matches(name, status)), reverse=True)
        for query, matches in FILTERS
    }
    assert not any(page["has_more"] for page in pages.values())


def test_moments_filter_what_was_created_between_them(manager, consumer):
    moment = clock.now().replace(microsecond=0)
    first, second, third = (of(consumer, created_at=moment + timedelta(seconds=seconds)) for seconds in (0, 1, 2))

    after, before = (f"created_{name}={moment + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}" for name in ("after", "before"))

    assert (ids(listed(manager, after)), ids(listed(manager, before))) == ([third], [first])
    assert ids(listed(manager, f"{before}&status=queued&key={consumer.key.pk}")) == [first]
    assert ids(listed(manager, f"created_before={moment + timedelta(days=1):%Y-%m-%d}")) == [third, second, first]


def test_an_id_at_minimax_finds_the_tasks_that_it_was_given_to(manager, consumer):
    first, other, retry = (of(consumer) for _ in range(3))
    planned_clip(UUID(first), 0, state="made", provider_task_id="4711", file_id="815")
    planned_clip(UUID(other), 0, state="submitted", provider_task_id="4712")
    planned_clip(UUID(retry), 0, state="made", provider_task_id="4711", file_id="815")  # took the clip over

    for known_as in ("4711", "815"):
        assert ids(listed(manager, f"provider={known_as}")) == [retry, first]
    assert ids(listed(manager, "provider=4712&status=queued")) == [other]
    assert ids(listed(manager, "provider=4712&status=failed")) == []
    assert ids(listed(manager, "provider=1")) == []


@pytest.mark.parametrize("query", ["status=queued", "status=queued,failed", "model=minimax-video", "stage=queued&model=minimax-video", ""])
def test_paging_shows_every_task_once(manager, make_consumer, monkeypatch, query):
    monkeypatch.setattr(search, "LOOKED_AT", 3)
    consumers = [make_consumer("ann"), make_consumer("bob")]
    made = [of(consumers[number % 2]) for number in range(7)]
    of(consumers[0], "cancelled")
    skipped = {} if not query or query == "model=minimax-video" else {"cancelled"}

    for limit in (1, 2, 3, 7, 100):
        seen, after = [], ""
        for _ in range(20):
            page = listed(manager, f"{query}&limit={limit}{after}".strip("&"))
            assert len(page["data"]) <= limit
            seen += [task for task in page["data"] if task["status"] != "cancelled" or not skipped]
            assert not any(task["status"] in skipped for task in page["data"])
            if not page["has_more"]:
                break
            after = f"&after={page['last_id']}"

        assert [task["task_id"] for task in seen if task["status"] == "queued"] == sorted(made, reverse=True), limit
        assert page["has_more"] is False


def test_what_lies_far_back_is_reached_over_pages_that_hold_nothing(manager, make_consumer, monkeypatch):
    monkeypatch.setattr(search, "LOOKED_AT", 2)
    ann, bob = make_consumer("ann"), make_consumer("bob")
    far = of(ann, model="rare")
    for _ in range(4):
        of(ann)
    of(bob, model="rare")

    first = listed(manager, f"key={ann.key.pk}&model=rare")
    second = listed(manager, f"key={ann.key.pk}&model=rare&after={first['last_id']}")
    third = listed(manager, f"key={ann.key.pk}&model=rare&after={second['last_id']}")

    assert [(ids(page), page["has_more"]) for page in (first, second, third)] == [([], True), ([], True), ([far], False)]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("key=x", "key"),
        ("key=999999999", "key"),
        ("team=999999999", "team"),
        ("status=done", "status"),
        ("status=", "status"),
        ("status=failed,", "status"),
        ("status=%00", "status"),
        ("model=", "model"),
        ("model=%00", "model"),
        ("stage=%00", "stage"),
        ("error=", "error"),
        ("provider=", "provider"),
        ("provider=%00", "provider"),
        ("created_before=soon", "created_before"),
        ("created_after=", "created_after"),
        ("after=7", "after"),
        ("after=01a20278-ca5c-7589-8260-f58625356f59", "after"),
        ("model=a&model=b", "model"),
        ("prompt=cat", "prompt"),
    ],
)
def test_a_bad_query_is_400_and_names_the_parameter(manager, query, param):
    refused(manager("GET", f"tasks?{query}"), 400, "invalid_request", param)


def test_a_list_costs_the_same_queries_for_one_task_and_for_many(manager, make_consumer):
    def cost(query):
        with CaptureQueriesContext(connection) as queries:
            listed(manager, query)
        return len(queries)

    planned_clip(UUID(of(make_consumer("ann"))), 0, state="planned")
    one = cost(""), cost("status=queued&model=minimax-video")
    for name in ("bob", "cho", "dan"):
        planned_clip(UUID(of(make_consumer(name), "completed")), 0, state="planned")

    # The key, the ids, the tasks, their clips; what comes after where a filter left the page with room.
    assert one == (4, 5)
    assert (cost(""), cost("status=queued&model=minimax-video")) == one


# ---- Cancel


def test_a_cancel_is_as_the_owners_and_says_who_did_it(manager, consumer, ledger):
    task_id = of(consumer)

    answer = manager.done("POST", f"tasks/{task_id}/cancel")

    assert (answer["status"], answer["cost"]["charged"], answer["key"]["id"]) == ("cancelled", "0.0000", consumer.key.pk)
    assert consumer.task(task_id)["status"] == "cancelled"
    assert ledger(task_id) == [("hold", Decimal("0.2")), ("capture", Decimal(0)), ("release", Decimal("0.2"))]
    entry = AuditEntry.objects.latest("pk")
    assert (entry.who, entry.action, entry.target) == (str(manager.key), "cancel", f"task:{task_id}")


def test_a_cancel_costs_what_was_sent_to_minimax_whoever_cancels(manager, consumer, ledger):
    task_id = of(consumer)
    planned_clip(UUID(task_id), 0, state="submitted", provider_task_id="1", seconds=6, sent_at=clock.now())

    manager.done("POST", f"tasks/{task_id}/cancel")

    assert ledger(task_id) == [("hold", Decimal("0.2")), ("capture", Decimal("0.2"))]


def test_a_second_cancel_does_nothing_and_is_no_row_of_the_audit(manager, consumer):
    task_id = of(consumer)
    first = manager.done("POST", f"tasks/{task_id}/cancel")

    assert manager.done("POST", f"tasks/{task_id}/cancel") == first
    assert AuditEntry.objects.filter(action="cancel").count() == 1


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_what_has_ended_is_not_cancelled(manager, consumer, status):
    refused(manager("POST", f"tasks/{of(consumer, status)}/cancel"), 409, "task_not_cancellable")
    assert not AuditEntry.objects.filter(action="cancel").exists()


def test_a_cancel_that_cannot_be_told_in_the_audit_is_none(manager, consumer, monkeypatch):
    task_id = of(consumer)
    monkeypatch.setattr("tasks.steering.audit.record", lambda **row: 1 / 0)

    refused(manager("POST", f"tasks/{task_id}/cancel"), 500, "internal_error")

    assert Task.objects.get(pk=task_id).status == "queued"


# ---- Retry


def test_a_retry_is_a_task_of_the_same_key_and_says_who_did_it(manager, consumer, ledger, time_travel):
    time_travel.move_to(clock.now(), tick=False)
    failed = of(consumer, "failed")

    answer = manager("POST", f"tasks/{failed}/retry")

    new = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/admin/tasks/{new['task_id']}"
    assert (new["status"], new["retry_of"], new["key"]) == ("queued", failed, {"id": consumer.key.pk, "name": "somebody"})
    assert consumer.task(new["task_id"]).items() <= manager.done("GET", f"tasks/{new['task_id']}").items()
    assert ledger(new["task_id"]) == [("hold", Decimal("0.2"))]
    entry = AuditEntry.objects.latest("pk")
    assert (entry.who, entry.action, entry.target) == (str(manager.key), "retry", f"task:{failed}")
    assert entry.changes == {"retried_as": new["task_id"]}


@pytest.mark.parametrize("status", ["queued", "completed", "cancelled"])
def test_what_did_not_fail_is_not_retried(manager, consumer, status):
    refused(manager("POST", f"tasks/{of(consumer, status)}/retry"), 409, "task_not_retryable")
    assert Task.objects.count() == 1


def test_a_retry_that_is_sent_again_is_made_once(manager, consumer):
    failed = of(consumer, "failed")
    first, again = (manager("POST", f"tasks/{failed}/retry", **{"Idempotency-Key": "k"}) for _ in range(2))

    assert (first.status_code, again.status_code, again.headers["Idempotent-Replayed"]) == (202, 202, "true")
    assert again.content == first.content
    assert again.headers["Location"] == first.headers["Location"]
    assert first.json()["key"]["name"] == "somebody"
    assert Task.objects.count() == 2
    assert AuditEntry.objects.filter(action="retry").count() == 1


def test_a_retry_obeys_the_budget_of_the_key_that_pays(manager, consumer):
    failed = of(consumer, "failed")
    budget_owners.set_budgets(consumer.key, [{"period": "daily", "time_zone": "UTC", "amount": Decimal("0.1")}], who="root")

    assert "quota" in refused(manager("POST", f"tasks/{failed}/retry"), 402, "insufficient_quota")
    assert Task.objects.count() == 1
    assert not AuditEntry.objects.filter(action="retry").exists()


def test_a_retry_obeys_the_limits_of_the_key_that_pays(manager, consumer):
    failed = of(consumer, "failed")
    change_key(consumer.key, who="root", model_names=["other"])
    refused(manager("POST", f"tasks/{failed}/retry"), 403, "model_not_allowed", "model")

    change_key(consumer.key, who="root", model_names=[], tasks_in_flight=1)
    of(consumer)
    refused(manager("POST", f"tasks/{failed}/retry"), 429, "concurrency_limit_exceeded")


@pytest.mark.parametrize("fields", [{"enabled": False}, {"expires_at": clock.now() - timedelta(days=1)}])
def test_a_task_whose_key_opens_nothing_is_not_retried_and_the_caller_is_not_told_that_he_is_nobody(manager, consumer, fields):
    failed = of(consumer, "failed")
    type(consumer.key).objects.filter(pk=consumer.key.pk).update(**fields)

    message = refused(manager("POST", f"tasks/{failed}/retry"), 409, "task_not_retryable")

    assert message.startswith("The task's key takes no new tasks.")
    assert Task.objects.count() == 1
