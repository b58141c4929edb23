"""A create of a key whose row says that it may is one batch to the database: what was known beforehand holds at its commit, or it asks."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import connection

from conduit import clock
from conduit.postgresql.pipelines import Pipeline
from conduit.web import quick_creates as module
from keys.models import Budget, BudgetWindow, Period, UsageCost, VirtualKey
from tasks.models import Task, TaskEvent
from tasks.notifications import audience
from tasks.notifications.models import Endpoint
from tests.support.quick_creates import post, quick_creates, quickly
from tests.web.test_quick_creates import _server

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite keeps the ordinary way"),
]

IN_ONE = ["BEGIN", "SELECT", *["INSERT"] * 5, "COMMIT"]


@pytest.fixture
def batches(monkeypatch):
    """What each batch of a transaction begins its statements with."""
    sent: list[list[str]] = []
    send = Pipeline.send

    async def noted(pipeline, batch):
        sent.append([statement.sql.split()[0] for statement in batch])
        return await send(pipeline, batch)

    monkeypatch.setattr(Pipeline, "send", noted)
    return sent


@pytest.fixture
def meanwhile(monkeypatch):
    """Does something, by a connection of its own, after a call was let in and before it is written."""

    def do(*statements: str) -> None:
        planned = module.planned

        def late(**named: Any) -> Any:
            with psycopg.connect(**_server()) as other:
                for statement in statements:
                    other.execute(statement)
            return planned(**named)

        monkeypatch.setattr(module, "planned", late)

    return do


def in_two(batches):
    """The one batch failed, nothing of it was left, and another transaction asked first."""
    failed, undone, asking, *_ = batches
    return (failed, undone, asking) == (IN_ONE, ["ROLLBACK"], ["BEGIN", "SELECT"])


def endpoint(**owner: Any) -> Endpoint:
    return Endpoint.objects.create(name="a", url="https://example.com", event_types=["task.queued"], wants_tasks=True, **owner)


def are_told() -> list[bool]:
    return list(TaskEvent.objects.order_by("id").values_list("is_to_be_told", flat=True))


def test_a_create_of_a_key_without_budgets_and_limits_is_one_batch(consumer, batches):
    assert quickly(consumer.secret).status_code == 202

    assert batches == [IN_ONE]


def test_one_with_an_idempotency_key_claims_it_first(consumer, batches):
    assert quickly(consumer.secret, idempotency_key="k").status_code == 202

    assert batches == [["BEGIN", "INSERT"], IN_ONE[1:]]


def test_a_key_with_a_limit_or_a_budget_is_asked_under_its_lock(consumer, batches):
    VirtualKey.objects.update(tasks_in_flight=1)
    assert quickly(consumer.secret).status_code == 202

    assert batches[0][:2] == ["BEGIN", "SELECT"]
    assert len(batches) == 2


SHUT = {
    "enabled = false": "api_key_disabled",
    "deleted_at = now()": "invalid_api_key",
    "expires_at = now() - interval '1 second'": "api_key_expired",
}


@pytest.mark.parametrize(("change", "code"), SHUT.items())
def test_a_key_that_is_shut_meanwhile_creates_nothing(consumer, meanwhile, batches, change, code):
    meanwhile(f"UPDATE keys_virtualkey SET {change}")

    answer = quickly(consumer.secret)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
    assert in_two(batches)
    assert not Task.objects.exists()


def test_a_limit_that_comes_meanwhile_binds(consumer, meanwhile, batches):
    quickly(consumer.secret)
    batches.clear()
    meanwhile("UPDATE keys_virtualkey SET tasks_in_flight = 1")

    assert quickly(consumer.secret).json()["error"]["code"] == "concurrency_limit_exceeded"
    assert in_two(batches)
    assert Task.objects.count() == UsageCost.objects.count() == 1


def test_what_changes_nothing_that_matters_is_asked_about_and_lets_in(consumer, meanwhile, batches):
    meanwhile("UPDATE keys_virtualkey SET last_used_at = now()")

    assert quickly(consumer.secret, idempotency_key="k").status_code == 202
    assert Task.objects.count() == 1


def test_a_budget_that_comes_while_the_create_waits_for_the_key_binds(consumer):
    """Whoever holds the key changes its row: the create that waited for it sees the row that he left."""
    waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    async def both() -> Any:
        async with quick_creates(None) as creates:
            with psycopg.connect(**_server()) as holder, psycopg.connect(**_server(), autocommit=True) as watcher:
                holder.execute("SELECT FROM keys_virtualkey WHERE id = %s FOR NO KEY UPDATE", [consumer.key.pk])
                create = asyncio.create_task(post(creates, consumer.secret))
                while watcher.execute(waits).fetchone() == (0,):
                    await asyncio.sleep(0.01)
                _give_budget(holder, consumer.key)
                holder.commit()
                return await create

    answer = asyncio.run(both())

    assert answer.json()["error"]["code"] == "insufficient_quota"
    assert not Task.objects.exists()
    assert not BudgetWindow.objects.exists()


def _give_budget(holder: Any, key: VirtualKey) -> None:
    budget = Budget(key=key, period=Period.TOTAL, amount=Decimal("0.1"))
    values = {field.column: field.get_db_prep_save(field.pre_save(budget, True), connection) for field in Budget._meta.concrete_fields[1:]}
    names, places = ", ".join(values), ", ".join(["%s"] * len(values))
    holder.execute(f"INSERT INTO keys_budget ({names}) VALUES ({places})", list(values.values()))
    holder.execute("UPDATE keys_virtualkey SET budgeted = true WHERE id = %s", [key.pk])


# ---- Who is told


@pytest.mark.parametrize("owner", ["place", "key", "another key"])
def test_an_event_is_told_to_whoever_asked_for_the_keys(consumer, make_consumer, batches, owner):
    endpoint(**{"place": {}, "key": {"key": consumer.key}, "another key": {"key": make_consumer("bob").key}}[owner])

    quickly(consumer.secret)

    assert batches == [IN_ONE]
    assert are_told() == [owner != "another key"]


def test_an_endpoint_that_is_made_meanwhile_misses_nothing(consumer, meanwhile, batches):
    made = endpoint()
    Endpoint.objects.filter(pk=made.pk).update(disabled_at=clock.now())
    meanwhile("UPDATE notifications_endpoint SET disabled_at = NULL")

    quickly(consumer.secret)

    assert in_two(batches)
    assert are_told() == [True]


def test_who_is_told_is_read_once_until_it_changes(consumer, monkeypatch):
    read = []
    keep = audience.keep
    monkeypatch.setattr(audience, "keep", lambda version, owners: read.append(list(owners)) or keep(version, owners))

    for _ in range(2):
        quickly(consumer.secret)
    made = endpoint(key=consumer.key)
    for _ in range(2):
        quickly(consumer.secret)
    made.delete()
    quickly(consumer.secret)

    assert read[-2:] == [[(consumer.key.pk, None)], []]
    assert len(read) <= 3  # whoever came before in this process may have read the first
    assert are_told() == [False, False, True, True, False]


# ---- The version


def version() -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {audience.VERSION}")
        return cursor.fetchone()[0]


@pytest.mark.parametrize("change", [{"disabled_at": clock.now}, {"wants_tasks": lambda: False}, {"key": lambda: None}])
def test_whom_an_endpoint_is_told_of_makes_another_version_however_it_is_written(consumer, change):
    versions = [version()]
    made = endpoint(key=consumer.key)
    versions.append(version())
    Endpoint.objects.filter(pk=made.pk).update(**{name: value() for name, value in change.items()})
    versions.append(version())
    Endpoint.objects.all().delete()
    versions.append(version())

    assert len(set(versions)) == 4


def test_that_an_endpoint_fails_and_is_well_again_makes_none(consumer):
    made = endpoint(key=consumer.key)
    before = version()
    failing = Endpoint.objects.filter(pk=made.pk)
    failing.update(failing_since=clock.now(), tried_at=clock.now())
    failing.update(failing_since=None, succeeded_at=clock.now() + timedelta(seconds=1))
    failing.update(url="https://example.org", name="b")

    assert version() == before
