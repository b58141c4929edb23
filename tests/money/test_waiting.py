"""Calls that meet others at the same rows: none waits without an end, and each is told to come back."""

import threading

import psycopg
import pytest
from django.db import DatabaseError, OperationalError, connection, connections, transaction

from conduit.api.errors import OVERLOADED_RETRY_SECONDS, classify
from conduit.checks import limits_arrived
from keys import budget_owners
from keys.models import Team, VirtualKey
from tasks.models import Task
from tests.support.ending import end
from tests.support.envelopes import refused
from tests.support.managing import make_manager

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True)]

PATH = "/v1/video/generations"
GOOD = {"model": "minimax-video", "prompt": "a cat"}


@pytest.fixture
def postgres(db):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's writers wait for each other as a whole, for as long as its timeout says")


@pytest.fixture
def held(postgres):
    """Holds a row in a transaction of somebody else's until the test is over."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '200ms'")
    locked, over = threading.Event(), threading.Event()
    threads = []

    def hold(rows):
        def work():
            with transaction.atomic():
                rows.select_for_update().get()
                locked.set()
                over.wait(20)
            connections.close_all()

        threads.append(threading.Thread(target=work))
        threads[-1].start()
        assert locked.wait(60)

    yield hold
    over.set()
    for thread in threads:
        thread.join(10)
    connection.close()  # with what was set on it


def told_to_come_back(answer):
    refused(answer, 503, "overloaded")
    assert answer.headers["Retry-After"] == str(OVERLOADED_RETRY_SECONDS)


def test_a_create_whose_key_is_held_elsewhere_is_told_to_come_back(consumer, held):
    held(VirtualKey.objects.filter(pk=consumer.key.pk))

    told_to_come_back(consumer.post(PATH, GOOD))
    assert not Task.objects.exists()


def test_a_retry_whose_key_is_held_elsewhere_is_told_to_come_back(consumer, held):
    failed = consumer.generate()["task_id"]
    end(failed, "failed")
    held(VirtualKey.objects.filter(pk=consumer.key.pk))

    told_to_come_back(consumer.post(f"{PATH}/{failed}/retry"))
    assert Task.objects.count() == 1


@pytest.mark.parametrize("rows", [lambda consumer: Task.objects.all(), lambda consumer: VirtualKey.objects.filter(pk=consumer.key.pk)])
def test_a_cancel_whose_rows_are_held_elsewhere_is_told_to_come_back_and_changes_nothing(consumer, held, rows):
    task_id = consumer.generate()["task_id"]
    held(rows(consumer))

    told_to_come_back(consumer.delete(f"{PATH}/{task_id}"))
    assert consumer.task(task_id)["status"] == "queued"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("PATCH", "", {"name": "bob"}), ("PATCH", "", {"budgets": []}), ("DELETE", "", None), ("POST", "/rotate", {})],
    ids=["rename", "budgets", "delete", "rotate"],
)
def test_a_change_of_a_key_that_is_held_elsewhere_is_told_to_come_back_and_changes_nothing(consumer, held, method, path, body):
    manager = make_manager()
    held(VirtualKey.objects.filter(pk=consumer.key.pk))
    before = manager.done("GET", f"keys/{consumer.key.pk}")

    told_to_come_back(manager(method, f"keys/{consumer.key.pk}{path}", body))
    assert manager.done("GET", f"keys/{consumer.key.pk}") == before


@pytest.mark.parametrize(("method", "body"), [("PATCH", {"name": "music"}), ("PATCH", {"budgets": []}), ("DELETE", None)])
def test_a_change_of_a_team_that_is_held_elsewhere_is_told_to_come_back_and_changes_nothing(held, method, body):
    manager = make_manager()
    team = budget_owners.create_team(name="film", who="root")
    held(Team.objects.filter(pk=team.pk))

    told_to_come_back(manager(method, f"teams/{team.pk}", body))
    assert manager.done("GET", f"teams/{team.pk}")["name"] == "film"


def test_a_key_that_joins_a_team_that_is_held_elsewhere_is_told_to_come_back(held):
    manager = make_manager()
    team = budget_owners.create_team(name="film", who="root")
    held(Team.objects.filter(pk=team.pk))

    told_to_come_back(manager("POST", "keys", {"name": "ann", "team": team.pk}))
    assert not VirtualKey.objects.exists()


def test_a_transaction_that_stands_still_is_ended_by_the_database(consumer, postgres):
    """A process that hangs, or whose host lost its power, keeps nobody waiting for long."""
    with connection.cursor() as cursor:
        cursor.execute("SET idle_in_transaction_session_timeout = '200ms'")

    def stand_still():
        with transaction.atomic():
            VirtualKey.objects.select_for_update().get(pk=consumer.key.pk)
            _until_gone(connection.connection.info.backend_pid)
            VirtualKey.objects.get(pk=consumer.key.pk)

    with pytest.raises(DatabaseError) as told:
        stand_still()
    connection.close()
    assert classify(told.value).status == 503


def _until_gone(pid):
    """Asks the database, on another connection, until that session is gone."""
    named = {"user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT", "dbname": "NAME"}
    with psycopg.connect(**{name: connection.settings_dict[setting] for name, setting in named.items()}, autocommit=True) as other:
        for _ in range(200):
            if not other.execute("SELECT 1, pg_sleep(0.05) FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone():
                return
    raise AssertionError("the session is still there")


def test_every_connection_is_made_with_the_limits(postgres):
    connection.close()

    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout')")
        assert cursor.fetchone() == ("10s", "30s")
    assert limits_arrived(databases=["default"]) == []


@pytest.mark.parametrize("name", ["lock_timeout", "idle_in_transaction_session_timeout"])
def test_limits_that_did_not_arrive_are_named_with_what_to_do(postgres, name):
    with connection.cursor() as cursor:
        cursor.execute(f"SET {name} = 0")

    [problem] = limits_arrived(databases=["default"])
    connection.close()

    assert problem.id == "conduit.W001"
    assert name in problem.msg
    assert f"ALTER ROLE {connection.settings_dict['USER']} SET {name} = " in problem.hint


@pytest.mark.parametrize("error", [psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure])
def test_a_database_that_is_busy_is_not_said_to_be_away(error, caplog):
    raised = OperationalError("no")
    raised.__cause__ = error("no")

    answer = classify(raised)

    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "overloaded", str(OVERLOADED_RETRY_SECONDS))
    assert [(line.msg["event"], line.levelname) for line in caplog.records] == [("database busy", "WARNING")]


def test_a_database_that_is_away_is_said_to_be(db, caplog):
    raised = OperationalError("no")
    raised.__cause__ = psycopg.OperationalError("connection refused")

    assert classify(raised).status == 503
    assert [(line.msg["event"], line.levelname) for line in caplog.records] == [("database away", "ERROR")]
