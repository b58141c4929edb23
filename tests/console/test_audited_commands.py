"""Each command that changes something leaves rows that say which it was, and which user of the system ran it."""

import json
import os
import pwd
import socket

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.management.commands import changepassword
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.db import connection

from conduit.conditions.models import Process
from keys.management.audited import AuditedCommand
from keys.models import AuditEntry, Team

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

# Those that change nothing that people decide: they read, count anew, write code and files, or serve. Migrations come
# with a version, and sessions end by themselves.
CHANGE_NOTHING = {
    "alert_rules", "axes_list_attempts", "check", "check_ledger", "clearsessions", "collectstatic", "compilemessages", "createcachetable",
    "diffsettings", "doctor", "dumpdata", "findstatic", "generateschema", "inspectdb", "makemessages", "makemigrations", "migrate",
    "optimizemigration", "rebuild_rollups", "run", "runserver", "sandbox", "sendtestemail", "showmigrations", "sqlflush", "sqlmigrate",
    "sqlsequencereset", "squashmigrations", "stack", "startapp", "startproject", "test", "testserver",
}  # fmt: skip


def audited():
    """Action, target's kind and changes of each row, all of which must say the same of who it was and where."""
    rows = list(AuditEntry.objects.order_by("id"))
    assert {row.address for row in rows} <= {socket.gethostname()}
    return [(row.who, row.action, row.target_kind, row.target_name, row.changes) for row in rows]


def by(command):
    return f"{pwd.getpwuid(os.getuid()).pw_name}, manage.py {command}"


def test_every_command_that_may_change_something_is_audited():
    commands = {name: load_command_class(app, name) for name, app in get_commands().items() if name not in CHANGE_NOTHING}

    assert [name for name, command in commands.items() if not isinstance(command, AuditedCommand)] == []


def test_a_superuser_is_made_with_a_row_that_holds_no_password(monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "a long password")
    call_command("createsuperuser", "--noinput", "--username", "ann", "--email", "")

    [(who, action, kind, name, changes)] = audited()
    assert (who, action, kind, name) == (by("createsuperuser"), "create", "user", "ann")
    assert changes["is_superuser"] is True
    assert "pass" not in str(changes)


def test_a_password_set_by_command_leaves_a_row(monkeypatch):
    get_user_model().objects.create_superuser("ann")
    monkeypatch.setattr(changepassword.Command, "_get_pass", lambda self, *prompt: "another long password")
    call_command("changepassword", "ann")

    assert audited() == [(by("changepassword"), "set password", "user", "ann", {})]
    assert get_user_model().objects.get().check_password("another long password")


def test_accounts_are_saved_as_before_when_the_command_is_over(monkeypatch):
    test_a_superuser_is_made_with_a_row_that_holds_no_password(monkeypatch)
    get_user_model().objects.create_user("bob")

    assert AuditEntry.objects.count() == 1


def test_a_process_that_is_missed_no_more_leaves_a_row():
    Process.objects.create(name="media@host-1:7", began_at="2026-01-01T00:00:00Z", heard_at="2026-01-01T00:00:00Z")
    call_command("forget_process", "media@host-1:7")

    assert audited() == [(by("forget_process"), "forget", "process", "", {})]
    assert AuditEntry.objects.get().target == "process:media@host-1:7"


def test_rows_that_are_loaded_leave_a_row_that_names_the_files(tmp_path):
    file = tmp_path / "teams.json"
    file.write_text(json.dumps([{"model": "keys.team", "pk": 1, "fields": {"name": "film", "created_at": "2026-01-01T00:00:00Z"}}]))
    call_command("loaddata", str(file))

    assert audited() == [(by("loaddata"), "run", "command", "", {"arguments": [str(file)]})]
    assert Team.objects.get().name == "film"


def test_a_shell_leaves_a_row_before_it_opens():
    call_command("shell", command="from keys.models import AuditEntry; assert AuditEntry.objects.count() == 1")

    assert audited() == [(by("shell"), "run", "command", "", {})]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="tests empty SQLite's tables so between them, and lift its guard for it")
def test_no_command_empties_the_ledger(consumer):
    consumer.generate()

    with pytest.raises(CommandError):
        call_command("flush", interactive=False, verbosity=0)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.skipif(connection.vendor == "postgresql", reason="it refuses to empty the ledger, even one without a row")
def test_a_database_that_is_emptied_says_who_did_it():
    call_command("flush", interactive=False, verbosity=0)

    assert audited() == [(by("flush"), "run", "command", "", {})]
