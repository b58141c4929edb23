"""Conduit's settings on servers of this test run's own.

PostgreSQL and Valkey start here, because pytest-django reads the settings before any fixture could. With
CONDUIT_TEST_DATABASE=sqlite the same tests run on SQLite. The workers of `pytest -n` share one PostgreSQL, in which each
has a database of its own, a copy of one that is migrated once; a Valkey is each one's own, because tests empty it.
"""

import os
import re
from pathlib import Path
from unittest import mock

import environ

from tests.support.postgres import shared_postgres
from tests.support.prepared import Prepared
from tests.support.scratch import scratch
from tests.support.valkey import ValkeyForTests

_HOME = scratch("home")
ON_SQLITE = os.environ.get("CONDUIT_TEST_DATABASE") == "sqlite"

VALKEY = ValkeyForTests()
VALKEY.start()
if ON_SQLITE:
    PREPARED = Prepared(None)
    _database_url = f"sqlite:///{_HOME / 'db.sqlite3'}"
else:
    POSTGRES = shared_postgres()
    PREPARED = Prepared(POSTGRES)
    _database_url = POSTGRES.url("conduit")


def _forget_the_developers_environment() -> None:
    """What a shell has set for the developer's own stack must not decide how tests end."""
    source = (Path(__file__).resolve().parent.parent / "conduit" / "settings.py").read_text()
    for name in re.findall(r'env\.\w+\(\s*"([A-Z0-9_]+)"', source):
        os.environ.pop(name, None)


_forget_the_developers_environment()
os.environ |= {
    "CONDUIT_ENV": "development",
    "CONDUIT_HOME": str(_HOME),
    "DATABASE_URL": _database_url,
    "REDIS_URL": VALKEY.url,
    "SECRET_KEY": "a secret for tests that is long enough for every check of its length",
    "PUBLIC_URL": "http://testserver",
    "MINIMAX_API_KEY": "key-for-tests",
    # The discard port: nothing listens there, so a test that forgot its MiniMax fails at once and reaches nobody.
    "MINIMAX_BASE_URL": "http://127.0.0.1:9",
    # The servers that stand in for others in tests listen on ports that the kernel chooses.
    "OUTBOUND_ALLOWED": "127.0.0.1:*",
    # Tests send wrong keys from one address, and others make keys meanwhile that nobody has seen.
    "UNKNOWN_SECRETS_PER_MINUTE": "1000000",
}
with mock.patch.object(environ.Env, "read_env"):  # nor does a .env
    from conduit.settings import *  # noqa: F403
    from conduit.settings import DATABASES

if ON_SQLITE:
    # Django would test in memory, where the file's locks and its WAL are not met.
    DATABASES["default"]["TEST"] = {"NAME": str(_HOME / "test.sqlite3")}

# Slow hashes protect passwords of people; these are nobody's.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# Else every client of a test, which loads the middleware anew, reads the folders of all static files first.
WHITENOISE_AUTOREFRESH = True
