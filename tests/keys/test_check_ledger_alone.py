"""manage.py check_ledger where nothing but the database is configured."""

import sys

import pytest

from tests.support import nursery
from tests.support.databases import database_url
from tests.support.running import fresh_environment

pytestmark = pytest.mark.django_db


def test_the_proof_needs_the_database_and_nothing_else_that_serving_needs(tmp_path):
    given = fresh_environment() | {"DATABASE_URL": database_url(), "CONDUIT_ENV": "production", "CONDUIT_HOME": str(tmp_path)}

    told = nursery.run([sys.executable, "manage.py", "check_ledger"], given)

    assert (told.returncode, told.stdout) == (0, "The ledger adds up: 0 rows.\n"), told.stderr
