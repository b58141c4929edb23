"""The servers that the place stands on: the database, Redis, and the way in."""

import time
from collections.abc import Iterator
from typing import Any

import redis
import requests
from django.conf import settings
from django.core.checks import Tags, run_checks
from django.db import DEFAULT_DB_ALIAS, Error, connection
from django.db.migrations.executor import MigrationExecutor

from conduit.clock import APART_SECONDS
from conduit.conditions import Severity
from conduit.doctor.registry import Finding
from conduit.redis_client import brief_client

ANSWER_SECONDS = 5.0
POSTGRESQL_MIN = 14
# Valkey and Redis of before lack what limits and streams use.
REDIS_MIN = 6


def clocks_agree() -> Iterator[Finding]:
    """This host's clock against the database's and Redis's: nobody goes by it, but logs, certificates and S3 do."""
    for server, ask in (("the database", _database_time), ("Redis", _redis_time)):
        try:
            sent = time.time()  # noqa: TID251 - the host's own clock is what is asked about
            there = ask()
            apart = there - (sent + time.time()) / 2  # noqa: TID251 - likewise
        except (Error, redis.RedisError):
            continue  # told of below
        if abs(apart) > APART_SECONDS:
            yield Finding(
                f"This host's clock is {abs(apart):.1f} s {'behind' if apart > 0 else 'ahead of'} that of {server}.",
                Severity.NOTICE,
                "Run NTP on both.",
            )
        else:
            yield Finding(f"This host's clock agrees with that of {server}.")


def _database_time() -> float:
    if connection.vendor != "postgresql":
        return time.time()  # noqa: TID251 - SQLite has the host's
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        return float(cursor.fetchone()[0])


def _redis_time() -> float:
    with brief_client(settings.REDIS_URL, seconds=ANSWER_SECONDS) as server:
        seconds, microseconds = server.time()
    return float(seconds + microseconds / 1e6)


# ---- The database


def database_is_fit() -> Iterator[Finding]:
    try:
        connection.ensure_connection()
    except Error as error:
        yield Finding(
            f"The database does not answer ({type(error).__name__}).", Severity.UNAVAILABLE, "See DATABASE_URL, and that the server runs."
        )
        return
    yield from _server() if connection.vendor == "postgresql" else [Finding("SQLite: for one host, and one writer at a time.")]
    missing = _unapplied()
    if missing:
        yield Finding(f"{len(missing)} migrations are not applied, from {missing[0]} on.", Severity.UNAVAILABLE, "Run `manage.py migrate`.")
    else:
        yield Finding("All migrations are applied.")


def _server() -> Iterator[Finding]:
    version = connection.pg_version // 10000  # type: ignore[attr-defined] # PostgreSQL's alone
    if version < POSTGRESQL_MIN:
        yield Finding(f"PostgreSQL {version} is too old.", Severity.UNAVAILABLE, f"Upgrade it to {POSTGRESQL_MIN} or later.")
    else:
        yield Finding(f"PostgreSQL {version} answers.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT ssl, inet_server_addr() FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        is_encrypted, address = cursor.fetchone()
        cursor.execute(
            "SELECT current_setting('max_connections')::int, count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        )
        most, open_now = cursor.fetchone()
    if address and not is_encrypted and not str(address).startswith(("127.", "::1")):
        yield Finding(
            "The connection to PostgreSQL is not encrypted.",
            Severity.NOTICE,
            "Add sslmode=verify-full to DATABASE_URL where the network is not your own.",
        )
    if open_now > 0.8 * most:
        yield Finding(
            f"{open_now} of {most} connections to PostgreSQL are taken.",
            Severity.DEGRADED,
            "Raise max_connections, or lower DATABASE_POOL.",
        )
    else:
        yield Finding(f"{open_now} of {most} connections to PostgreSQL are taken.")
    for message in run_checks(tags=[Tags.database], databases=[DEFAULT_DB_ALIAS]):
        yield Finding(message.msg, Severity.DEGRADED, message.hint or "")


def _unapplied() -> list[str]:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


# ---- Redis


def redis_is_fit() -> Iterator[Finding]:
    try:
        with brief_client(settings.REDIS_URL, seconds=ANSWER_SECONDS) as server:
            told: dict[str, Any] = server.info()
    except redis.RedisError as error:
        yield Finding(f"Redis does not answer ({type(error).__name__}).", Severity.DEGRADED, "See REDIS_URL, and that the server runs.")
        return
    version = str(told.get("valkey_version") or told["redis_version"])
    if int(version.partition(".")[0]) < REDIS_MIN:
        yield Finding(f"Redis {version} is too old.", Severity.UNAVAILABLE, f"Upgrade it to {REDIS_MIN} or later, or to Valkey.")
    else:
        yield Finding(f"{'Valkey' if 'valkey_version' in told else 'Redis'} {version} answers.")
    if told.get("cluster_enabled"):
        yield Finding(
            "Redis runs in cluster mode, which is not supported.", Severity.UNAVAILABLE, "Use one server, with a replica if you like."
        )
    policy = str(told.get("maxmemory_policy", "noeviction"))
    if told.get("maxmemory") and policy != "noeviction":
        yield Finding(
            f"Redis throws away keys when its memory is full ({policy}): limits would forget calls, and queues jobs.",
            Severity.DEGRADED,
            "Set maxmemory-policy to noeviction.",
        )
    if not told.get("aof_enabled"):
        yield Finding(
            "Redis keeps no log of writes: limits and log-in counters begin anew after its restart.",
            Severity.NOTICE,
            "Set appendonly yes. Tasks and money are in the database and lose nothing.",
        )
    else:
        yield Finding("Redis keeps what it was told.")


# ---- The way in


def web_is_reachable() -> Iterator[Finding]:
    """The address that clients see, asked from here."""
    address = f"{settings.PUBLIC_URL}/health/live"
    try:
        answer = requests.get(address, timeout=ANSWER_SECONDS, allow_redirects=False)
    except requests.RequestException as error:
        yield Finding(
            f"{settings.PUBLIC_URL} cannot be reached from here ({type(error).__name__}).",
            Severity.NOTICE,
            "See PUBLIC_URL, the proxy and its certificate; from inside your network it may not be meant to be.",
        )
        return
    if answer.status_code == requests.codes.ok and answer.headers.get("content-type", "").startswith("application/json"):
        yield Finding(f"{settings.PUBLIC_URL} leads here.")
    else:
        yield Finding(
            f"{address} answers {answer.status_code}, which is not ours.",
            Severity.NOTICE,
            "See that PUBLIC_URL leads to this place's proxy.",
        )
