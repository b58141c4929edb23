import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, models

from keys.models import VirtualKey
from keys.services import create_key, find_key
from tests.support.scratch import scratch

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def test_a_secret_is_condt_and_at_least_256_bits_of_url_safe_characters():
    _, secret = create_key(name="ann")

    assert re.fullmatch(r"condt_[A-Za-z0-9_-]{43,}", secret)


def test_no_two_secrets_are_the_same():
    assert len({create_key(name="ann")[1] for _ in range(50)}) == 50


def test_only_the_hash_of_a_secret_is_stored():
    key, secret = create_key(name="ann")

    assert key.secret_hash == hashlib.sha256(secret.encode()).hexdigest()
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM keys_virtualkey")
        assert secret not in str(cursor.fetchall())
    assert secret.startswith(key.prefix)
    assert len(key.prefix) == 12


def test_a_key_is_found_by_its_secret_alone():
    key, secret = create_key(name="ann")
    create_key(name="bob")

    assert find_key(secret) == key
    assert find_key(key.prefix) is None
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


@pytest.mark.parametrize("name", ["", "   ", "x" * 101])
def test_create_key_refuses_a_name_that_is_no_name(name):
    with pytest.raises(CommandError, match="1 to 100 characters"):
        call_command("create_key", name)
    assert not VirtualKey.objects.exists()


def test_create_key_on_a_database_without_tables_says_in_one_line_what_to_run():
    environment = {"PATH": os.environ["PATH"], "CONDUIT_HOME": str(scratch("new")), "CONDUIT_ENV": "development", "CONDUIT_STACK": "1"}
    manage = Path(__file__).resolve().parents[2] / "manage.py"

    process = subprocess.run([sys.executable, str(manage), "create_key", "ann"], env=environment, capture_output=True, text=True)

    assert (process.returncode, process.stdout) == (1, "")
    assert len(process.stderr.splitlines()) == 1
    assert "`make run`" in process.stderr
