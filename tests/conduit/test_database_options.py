"""What the query of DATABASE_URL says holds in every process, and is refused by name when nobody would understand it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection
from django.db.utils import ConnectionHandler

from conduit.database import database_settings
from tests.conduit.test_checks import started
from tests.support.certificates import server_context
from tests.support.tls import PostgresFront

pytestmark = pytest.mark.django_db

SECRET = "pass-w0rd"
POOLS = pytest.mark.parametrize("pool", [0, 4], ids=["worker", "web"])
on_postgresql = pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no network")


@POOLS
def test_every_option_reaches_the_driver_in_every_process(pool):
    said = {"sslmode": "verify-full", "sslrootcert": "/ca.pem", "target_session_attrs": "read-write", "application_name": "007"}
    query = "&".join(f"{name}={value}" for name, value in said.items())

    options = database_settings(f"postgres://u:p@db/name?{query}&connect_timeout=3&options=-c%20statement_timeout%3D5s", pool=pool)[
        "OPTIONS"
    ]

    # What is said of the server comes after what we say of it: the last of two counts.
    assert options["options"] == "-c lock_timeout=10s -c idle_in_transaction_session_timeout=30s -c statement_timeout=5s"
    assert options | said | {"connect_timeout": 3} == options
    assert ("pool" in options) == bool(pool)


def test_sqlites_options_are_added_to_ours():
    settings = database_settings("sqlite:////tmp/a.sqlite3?timeout=5&init_command=PRAGMA%20synchronous%3DNORMAL")

    assert settings["OPTIONS"] == {
        "timeout": 5,
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA temp_store=MEMORY;PRAGMA synchronous=NORMAL",
        "transaction_mode": "IMMEDIATE",
    }


@POOLS
def test_what_is_django_s_own_is_set_where_it_reads_it(pool):
    settings = database_settings("postgres://db/name?CONN_MAX_AGE=5&disable_server_side_cursors=True&assume_role=writer", pool=pool)

    assert settings["DISABLE_SERVER_SIDE_CURSORS"] is True
    assert settings["OPTIONS"]["assume_role"] == "writer"
    assert settings.get("CONN_MAX_AGE", 0) == (0 if pool else 5)  # a pool keeps connections itself
    assert not {"conn_max_age", "disable_server_side_cursors"} & set(settings["OPTIONS"])


@pytest.mark.parametrize(
    ("address", "says"),
    [
        (f"postgres://u:{SECRET}@db/name?sslmod=require", "`sslmod` is not an option of a connection. Is `sslmode` meant?"),
        (f"postgres://u:{SECRET}@db/name?sslmode=verify", "`sslmode` is 'verify': set it to one of disable, "),
        (f"postgres://u:{SECRET}@db/name?connect_timeout=3s", "`connect_timeout` is '3s': set it to a whole number"),
        (f"postgres://u:{SECRET}@db/name?pool=8", "set DATABASE_POOL"),
        (f"postgres://u:{SECRET}@db/name?ATOMIC_REQUESTS=True", "`atomic_requests` is not an option"),
        (f"postgres://u:{SECRET}@db/name?isolation_level=serializable", "`isolation_level` is not an option"),
        (f"postgres://u:{SECRET}@db/name?sslmode=require&sslmode=disable", "`sslmode` is there twice"),
        (f"postgres://u:{SECRET}@db/name?sslmode", "come options as name=value"),
        (f"postgres://u:{SECRET}@db", "names no database"),
        (f"postgres://u:{SECRET}@db:port/name", "is no database's address"),
        (f"postgres://u:9/?{SECRET}=1@db/name", "is no database's address"),
        (f"mysql://u:{SECRET}@db/name", "is no database's address"),
        (f"postgis://u:{SECRET}@db/name", "is no database's address"),
        ("sqlite:////tmp/a.sqlite3?transaction_mode=DEFERRED", "`transaction_mode` is not an option"),
        ("sqlite:////tmp/a.sqlite3?sslmode=require", "`sslmode` is not an option"),
    ],
)
@POOLS
def test_what_nobody_would_understand_is_refused_by_name_and_without_the_password(address, says, pool):
    with pytest.raises(ImproperlyConfigured) as refused:
        database_settings(address, pool=pool)

    message = str(refused.value)
    assert message.startswith("DATABASE_URL")
    assert says in message
    assert SECRET not in message
    assert "\n" not in message


def test_a_process_that_cannot_understand_it_says_so_in_one_line():
    process = started(sys.executable, "manage.py", "check", DATABASE_URL=f"postgres://u:{SECRET}@db/name?sslmod=require")

    assert process.returncode == 1
    assert process.stderr == "conduit: DATABASE_URL: `sslmod` is not an option of a connection. Is `sslmode` meant?\n"


# ---- Against servers that speak TLS, or should -------------------------------------------------------------------------


@contextmanager
def connected(address: str, pool: int, *, patience: float = 1) -> Iterator[str]:
    """Ask the database as a process with such a pool does; what it answers. One that cannot connect tries it for so many seconds."""
    settings = database_settings(address, pool=pool)
    if pool:
        settings["OPTIONS"]["pool"]["timeout"] = patience
    wrapper = ConnectionHandler({"default": settings})["default"]
    wrapper.alias = f"of {os.urandom(4).hex()}"  # pools are kept by name
    try:
        with wrapper.cursor() as cursor:
            cursor.execute("SELECT current_database()")
            yield cursor.fetchone()[0]
    finally:
        wrapper.close()
        wrapper.close_pool()


@pytest.fixture
def front(tmp_path) -> Iterator[PostgresFront]:
    with PostgresFront(int(connection.settings_dict["PORT"]), server_context(tmp_path, "127.0.0.1")[0]) as front:
        yield front


def through(front: PostgresFront, **options: object) -> str:
    """The tests' database by way of `front`, with a password for whoever asks."""
    ours = connection.settings_dict
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return f"postgres://{ours['USER']}:{SECRET}@127.0.0.1:{front.port}/postgres?{query}"


@on_postgresql
@POOLS
def test_the_certificate_that_is_to_be_trusted_is(front, tmp_path, pool):
    with connected(through(front, sslmode="verify-full", sslrootcert=tmp_path / "certificate.pem"), pool, patience=60) as name:
        assert name == "postgres"


@on_postgresql
@POOLS
def test_another_certificate_is_refused(front, tmp_path, pool):
    (tmp_path / "other").mkdir()
    _, other = server_context(tmp_path / "other", "127.0.0.1")

    with pytest.raises(OperationalError), connected(through(front, sslmode="verify-full", sslrootcert=other), pool):
        pass


@on_postgresql
@POOLS
@pytest.mark.parametrize("mode", ["require", "verify-full"])
def test_a_server_without_tls_never_hears_the_password(tmp_path, pool, mode):
    _, trusted = server_context(tmp_path, "127.0.0.1")
    with PostgresFront(9, None) as front:
        with pytest.raises(OperationalError), connected(through(front, sslmode=mode, sslrootcert=trusted), pool):
            pass
        assert front.heard == b""
        for _ in range(30):  # a busy machine may not come to say it within its patience
            with pytest.raises(OperationalError), connected(through(front, sslmode="disable"), pool):
                pass
            if SECRET.encode() in front.heard:
                break
        assert SECRET.encode() in front.heard  # it would have
