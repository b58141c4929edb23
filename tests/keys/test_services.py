import hashlib
import os
import pwd
import re
import socket
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.test import Client

from keys.models import AuditEntry, Budget, KeySecret, ManagementKey, Team, VirtualKey
from keys.services import create_key, find_key
from tests.support import nursery
from tests.support.marks import soak_on_sqlite
from tests.support.scratch import scratch

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def test_a_secret_is_condt_and_at_least_256_bits_of_url_safe_characters():
    _, secret = create_key(name="ann")

    assert re.fullmatch(r"condt_[A-Za-z0-9_-]{43,}", secret)


def test_no_two_secrets_are_the_same():
    assert len({create_key(name="ann")[1] for _ in range(50)}) == 50


def test_only_the_hash_and_the_start_of_a_secret_are_stored():
    key, secret = create_key(name="ann", budgets=[{"period": "daily", "amount": Decimal(2)}])

    row = KeySecret.objects.get(key=key)
    assert (row.secret_hash, row.prefix) == (hashlib.sha256(secret.encode()).hexdigest(), secret[:12])
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT * FROM "{table}"')
            assert secret not in str(cursor.fetchall())


def test_a_key_is_found_by_its_secret_alone():
    key, secret = create_key(name="ann")
    create_key(name="bob")

    assert find_key(secret) == key
    assert find_key(key.secrets.get().prefix) is None
    assert find_key("") is None


def test_a_key_that_has_tasks_cannot_be_deleted(consumer):
    consumer.generate()

    with pytest.raises(models.ProtectedError):
        consumer.key.delete()


def test_create_key_prints_the_secret_and_nothing_else(capfd):
    call_command("create_key", " ann ")

    printed = capfd.readouterr()
    assert re.fullmatch(r"condt_[\w-]{43}\n", printed.out)
    assert printed.err == ""
    assert find_key(printed.out.strip()).name == "ann"


def test_create_key_sets_every_limit_and_the_budget(capfd):
    call_command(
        "create_key", "ann", "--budget", "2.00", "--period", "monthly", "--time-zone", "Europe/Berlin", "--rpm", "60", "--rpd", "1000",
        "--reads-per-minute", "600", "--in-flight", "3", "--per-hour", "20", "--longest", "30", "--largest", "1280x720",
        "--highest-price", "0.5", "--models", "minimax-video, video-01", "--ips", "10.0.0.0/8,::1", "--expires", "2031-01-31",
    )  # fmt: skip

    key = find_key(capfd.readouterr().out.strip())
    assert (key.creates_per_minute, key.creates_per_day, key.reads_per_minute) == (60, 1000, 600)
    assert (key.tasks_in_flight, key.tasks_per_hour, key.longest_seconds) == (3, 20, 30)
    assert (key.largest_resolution, key.highest_price) == ("1280x720", Decimal("0.5"))
    assert (key.model_names, key.ip_ranges) == (["minimax-video", "video-01"], ["10.0.0.0/8", "::1"])
    assert key.expires_at == datetime(2031, 1, 31, tzinfo=UTC)
    budget = key.budgets.get()
    assert (budget.amount, budget.period, budget.time_zone) == (Decimal(2), "monthly", "Europe/Berlin")


def test_a_budget_without_a_period_never_resets(capfd):
    call_command("create_key", "ann", "--budget", "2.00")

    assert Budget.objects.get().period == "total"


def test_create_key_puts_the_key_into_a_team_and_says_when_that_is_new(capfd):
    call_command("create_key", "ann", "--team", "film")
    first = capfd.readouterr()
    call_command("create_key", "bob", "--team", "film")
    second = capfd.readouterr()

    team = Team.objects.get(name="film")
    assert [key.name for key in team.keys.order_by("id")] == ["ann", "bob"]
    assert "'film' is new" in first.err
    assert second.err == ""
    assert re.fullmatch(r"condt_[\w-]{43}\n", first.out)


def system_user():
    return pwd.getpwuid(os.getuid()).pw_name


def test_create_key_leaves_its_mark_in_the_audit(capfd):
    call_command("create_key", "ann", "--rpm", "60", "--budget", "2", "--team", "film")

    rows = AuditEntry.objects.order_by("id")
    assert [(row.who, row.action, row.target.split(":")[0]) for row in rows] == [
        (f"{system_user()}, manage.py create_key", "create", kind) for kind in ("team", "key", "budget")
    ]
    assert {row.address for row in rows} == {socket.gethostname()}
    assert rows[1].changes["creates_per_minute"] == 60
    assert rows[1].changes["team"] == "film"
    assert rows[2].changes["amount"] == "2.0000"
    assert capfd.readouterr().out.strip() not in str([row.changes for row in rows])


@pytest.mark.parametrize("name", ["", "   ", "x" * 101])
def test_create_key_refuses_a_name_that_is_no_name(name):
    with pytest.raises(CommandError, match="1 to 100 characters"):
        call_command("create_key", name)
    assert not VirtualKey.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--budget", "two"], "--budget must be an amount"),
        (["--budget=-1"], "--budget must be an amount of USD from 0"),
        (["--budget", "0.00001"], "at most four decimals"),
        (["--budget", "1", "--time-zone", "Mars/Olympus"], "not a time zone"),
        (["--budget", "1", "--period", "hourly"], "invalid choice"),
        (["--period", "daily"], "add --budget"),
        (["--rpm", "0"], "--rpm must be a whole number from 1"),
        (["--rpm", "many"], "invalid int value"),
        (["--largest", "big"], "--largest must be a width and a height"),
        (["--highest-price", "0"], "--highest-price must be more than 0"),
        (["--models", "a,,b"], "--models must be a list"),
        (["--models", "minimax-vidoe"], "--models holds 'minimax-vidoe', which is no model here: there are"),
        (["--expires", "2026-01-31"], "--expires must be in the future; 2026-01-31T00:00:00.000Z is not"),
        (["--expires", "20310131"], "--expires must be an RFC 3339"),
        (["--ips", "localhost"], "--ips holds 'localhost'"),
        (["--expires", "tomorrow"], "--expires must be an RFC 3339"),
        (["--team", " "], "1 to 100 characters"),
    ],
)
def test_create_key_names_the_option_that_it_cannot_take_and_makes_nothing(arguments, words):
    with pytest.raises(CommandError, match=words):
        call_command("create_key", "ann", "--team", "film", *arguments)
    assert not VirtualKey.objects.exists()
    assert not Team.objects.exists()
    assert not AuditEntry.objects.exists()


def test_create_management_key_prints_a_secret_that_opens_the_management_api_and_nothing_else(capfd):
    call_command("create_management_key", " billing ")

    printed = capfd.readouterr()
    assert re.fullmatch(r"condt_admin_[\w-]{43}\n", printed.out)
    assert printed.err == ""
    assert Client().get("/v1/admin/keys", headers={"X-API-Key": printed.out.strip()}).status_code == 200
    [entry] = AuditEntry.objects.all()
    assert (entry.who, entry.action, entry.changes) == (f"{system_user()}, manage.py create_management_key", "create", {"name": "billing"})
    assert ManagementKey.objects.get().name == "billing"


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\u200bb"])
def test_create_management_key_refuses_a_name_that_is_no_name(name):
    with pytest.raises(CommandError, match=r"^NAME "):
        call_command("create_management_key", name)
    assert not ManagementKey.objects.exists()


@pytest.mark.parametrize("command", ["create_key", "create_management_key"])
@soak_on_sqlite
def test_a_key_on_a_database_without_tables_is_refused_in_one_line_that_says_what_to_run(command):
    environment = {"PATH": os.environ["PATH"], "CONDUIT_HOME": str(scratch("new")), "CONDUIT_ENV": "development", "CONDUIT_STACK": "1"}
    manage = Path(__file__).resolve().parents[2] / "manage.py"

    process = nursery.run([sys.executable, str(manage), command, "ann"], environment)

    assert (process.returncode, process.stdout) == (1, "")
    assert len(process.stderr.splitlines()) == 1
    assert "`make run`" in process.stderr
