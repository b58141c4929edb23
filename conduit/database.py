"""The database that DATABASE_URL names, with what its query says about connections: the same in every process."""

import difflib
import warnings
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

import environ
from django.core.exceptions import ImproperlyConfigured

_POSTGRESQL, _SQLITE = "django.db.backends.postgresql", "django.db.backends.sqlite3"

# Unless DATABASE_URL says otherwise: a server that cannot be reached is given up after 5 s, and a connection whose packets are
# dropped is dead after about 6 (seconds; tcp_user_timeout in ms). The defaults of libpq and the kernel are minutes to hours.
POSTGRESQL_OPTIONS = {
    "connect_timeout": 5,
    "keepalives_idle": 4,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 6000,
}
# PostgreSQL waits without an end unless it is told otherwise: a call whose rows somebody holds would hang until its client is gone.
# How long a statement waits for a lock, in seconds: long enough for dozens of calls of one key, which are done one after the other,
# on a machine that is busy (5 s refused 8 of 64 at once on two crowded cores).
LOCK_SECONDS = 10
# A process that hangs in the middle of a transaction, or whose host is gone, loses what it holds after this, in seconds.
IDLE_IN_TRANSACTION_SECONDS = 30
# By the server's names. Sent when a connection is made: some poolers drop that (conduit.checks looks whether they arrived).
SERVER_SETTINGS = {"lock_timeout": LOCK_SECONDS, "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_SECONDS}
# How long a thread of the web process waits for a connection, and how long the pool tries by itself to make one: with a longer time
# it would pause for longer and longer, and serve nobody for a while after an outage; the next request makes it try anew.
POOL_SECONDS = 5
# Options that are Django's and not the driver's. Those which Conduit itself depends on (transactions, the pool) are nobody else's.
_DJANGO_OPTIONS = {"assume_role", "prepare_threshold", "conn_max_age", "disable_server_side_cursors"}
# What the rest of the address says, and what Django and Conduit count on.
_FIXED = {"dbname", "client_encoding", "replication"}
_SQLITE_OPTIONS = {"timeout", "cached_statements", "init_command", "conn_max_age"}
# What the driver would refuse only when it connects, and a pool would try for ever.
_WORDS = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "channel_binding": ("disable", "prefer", "require"),
    "gssencmode": ("disable", "prefer", "require"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "load_balance_hosts": ("disable", "random"),
    "disable_server_side_cursors": ("true", "false"),
}
_NUMBERS = {
    "connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
    "prepare_threshold", "conn_max_age", "timeout", "cached_statements",
}  # fmt: skip


def database_settings(url: str, *, pool: int = 0) -> dict[str, Any]:
    """The entry of DATABASES for a postgres:// or sqlite:// address.

    `pool`: so many connections are shared by the threads of this process; 0: each thread keeps one.

    Raises:
        ImproperlyConfigured: in one line that never holds a password.
    """
    address, _, query = url.partition("?")
    if "@" in query and "@" not in address:  # a `?` in the password: anything that is quoted might be a part of it
        raise _not_an_address()
    database: dict[str, Any] = {}
    with warnings.catch_warnings(action="ignore"), suppress(ValueError):
        database = environ.Env.db_url_config(address)
    engine = database.get("ENGINE")
    if engine not in (_POSTGRESQL, _SQLITE):
        raise _not_an_address()
    if engine == _SQLITE:
        return database | _sqlite(_options(query, _SQLITE_OPTIONS))
    from psycopg.pq import Conninfo

    known = _DJANGO_OPTIONS | {option.keyword.decode() for option in Conninfo.get_defaults()} - _FIXED
    options = _options(query, known)
    if not (database["NAME"] or options.get("service")):
        raise ImproperlyConfigured(
            "DATABASE_URL names no database: it ends with /NAME. Special characters in a password are written as %XX."
        )
    return database | _postgresql(options, pool)


def _not_an_address() -> ImproperlyConfigured:
    return ImproperlyConfigured(
        "DATABASE_URL is no database's address: set it to postgres://USER:PASSWORD@HOST:5432/NAME (special characters in a password as "
        "%XX), or unset it for SQLite."
    )


def _sqlite(options: dict[str, Any]) -> dict[str, Any]:
    max_age = options.pop("conn_max_age", 0)
    # Ours first: WAL is what lets readers go on beside a writer.
    # What it puts aside stays in memory: no folder but CONDUIT_HOME may be writable.
    options["init_command"] = "PRAGMA journal_mode=WAL;PRAGMA temp_store=MEMORY;" + options.get("init_command", "")
    # Writers queue at BEGIN instead of failing at the first write; readers go on meanwhile.
    return {"CONN_MAX_AGE": max_age, "OPTIONS": {"timeout": 20, **options, "transaction_mode": "IMMEDIATE"}}


def _postgresql(options: dict[str, Any], pool: int) -> dict[str, Any]:
    max_age = options.pop("conn_max_age", 60)
    settings: dict[str, Any] = {"ENGINE": "conduit.postgresql"}
    settings |= {"DISABLE_SERVER_SIDE_CURSORS": options.pop("disable_server_side_cursors", "") == "true"}
    # Ours first: what DATABASE_URL says of the same counts.
    ours = " ".join(f"-c {name}={seconds}s" for name, seconds in SERVER_SETTINGS.items())
    settings["OPTIONS"] = POSTGRESQL_OPTIONS | options | {"options": f"{ours} {options.get('options', '')}".rstrip()}
    if pool:
        # Only the web process pools: its threads give their connection back after each request.
        settings["OPTIONS"]["pool"] = {
            "min_size": min(2, pool),
            "max_size": pool,
            "timeout": POOL_SECONDS,
            "reconnect_timeout": POOL_SECONDS,
            "reconnect_failed": _try_anew,
        }
        return settings
    # A worker's threads live long: they keep their connection.
    return settings | {"CONN_MAX_AGE": max_age}


def _try_anew(pool: Any) -> None:
    """Who came while a pool's last try failed waits, and only another request would make it try again: so this is one."""
    from psycopg_pool import PoolTimeout

    if pool.get_stats().get("requests_waiting"):
        with suppress(PoolTimeout):
            pool.putconn(pool.getconn(timeout=0.001))


def _options(query: str, known: Iterable[str]) -> dict[str, Any]:
    """What the query says, by names in lower case; ImproperlyConfigured when the driver would not understand it."""
    options: dict[str, Any] = {}
    try:
        pairs = parse_qsl(query, strict_parsing=bool(query))
    except ValueError:
        raise ImproperlyConfigured("DATABASE_URL: after its ? come options as name=value, joined by &.") from None
    for name, value in ((name.lower(), value) for name, value in pairs):
        if name == "pool":
            raise ImproperlyConfigured("DATABASE_URL: `pool` is not an option of it: set DATABASE_POOL to the number of connections.")
        if name not in known:
            close = [f" Is `{meant}` meant?" for meant in difflib.get_close_matches(name, known, n=1)]
            raise ImproperlyConfigured(f"DATABASE_URL: `{name}` is not an option of a connection.{''.join(close)}")
        if name in options:
            raise ImproperlyConfigured(f"DATABASE_URL: `{name}` is there twice.")
        if name in _WORDS and value.lower() not in _WORDS[name]:
            raise ImproperlyConfigured(f"DATABASE_URL: `{name}` is {value!r}: set it to one of {', '.join(_WORDS[name])}.")
        if name in _NUMBERS and not (value.isascii() and value.isdigit()):
            raise ImproperlyConfigured(f"DATABASE_URL: `{name}` is {value!r}: set it to a whole number.")
        options[name] = int(value) if name in _NUMBERS else value.lower() if name in _WORDS else value
    return options
