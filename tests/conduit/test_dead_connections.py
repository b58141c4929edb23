"""Connections to PostgreSQL that died or went silent cost nobody an answer, and nobody a wait of more than a few seconds."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg
import pytest
import requests
from django.db import OperationalError, connection
from django.db.utils import ConnectionHandler

from conduit.database import database_settings
from conduit.postgresql import wire as wires
from tests.support.databases import database_url
from tests.support.relay import Relay
from tests.support.web import Web

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite is a file: it has no connections"),
]
POOLS = pytest.mark.parametrize("pool", [0, 4], ids=["worker", "web"])
# What a wire that went silent may cost on the busiest machine: by itself it is found after 3 s, asked about for 2, and half a second is
# for what was under way. The kernel alone takes minutes.
SILENT_SECONDS = 30


@pytest.fixture
def relay() -> Iterator[Relay]:
    with Relay(int(connection.settings_dict["PORT"])) as relay:
        yield relay


class Process:
    """The database as a process with such a pool has it, in as many threads as a test likes."""

    def __init__(self, port: int, pool: int) -> None:
        self._handler = ConnectionHandler({"default": database_settings(database_url(port), pool=pool)})
        self._name = f"tests {port} {pool}"
        self.number = port  # nobody else's
        self._first = self.wrapper

    @property
    def wrapper(self) -> Any:
        """This thread's own."""
        wrapper = self._handler["default"]
        wrapper.alias = self._name  # pools are kept by name
        return wrapper

    def ask(self, statement: str = "SELECT 1") -> Any:
        """As a request does: a connection of the pool, and back."""
        try:
            return self.ask_and_keep(statement)
        finally:
            self.wrapper.close_if_unusable_or_obsolete()

    def ask_and_keep(self, statement: str = "SELECT 1") -> Any:
        with self.wrapper.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()[0]

    def ask_at_once(self, number: int, statement: str = "SELECT 1") -> list[Any]:
        """So many threads at once; what each is told, errors as what they are."""
        together = threading.Barrier(number)

        def one(_: int) -> Any:
            try:
                self.wrapper.ensure_connection()
                together.wait(30)
                return self.ask(statement)
            except OperationalError as error:
                return error
            finally:
                self.wrapper.close()

        with ThreadPoolExecutor(number) as threads:
            return list(threads.map(one, range(number)))

    def close(self) -> None:
        self.wrapper.close()
        self.wrapper.close_pool()


@pytest.fixture
def process(relay, pool) -> Iterator[Process]:
    with closing(Process(relay.port, pool)) as process:
        yield process


@pytest.fixture
def patiently_idle(monkeypatch):
    """A connection counts as idle at once."""
    monkeypatch.setattr(wires, "_LATELY", 0.0)


@pytest.fixture
def found_silent(monkeypatch) -> list[Any]:
    """The connections of which it was found out after a wait."""
    found, silent = [], wires.WatchedConnection._silent
    monkeypatch.setattr(wires.WatchedConnection, "_silent", lambda lost: found.append(lost) or silent(lost))
    return found


@pytest.fixture
def quickly_asked_about(monkeypatch):
    """A statement that says nothing for a moment is asked about, with all the time that the answer needs."""
    monkeypatch.setattr(wires, "_QUIET_SECONDS", 0.3)
    monkeypatch.setattr(wires, "_ANSWER_SECONDS", 60.0)


@POOLS
def test_after_a_restart_nobody_is_refused_however_many_connections_there_were(process, relay, pool):
    assert process.ask_at_once(4) == [1] * 4

    relay.cut()
    relay.mend()

    assert [process.ask() for _ in range(8)] == [1] * 8
    assert process.ask_at_once(4) == [1] * 4


@POOLS
def test_a_thread_that_holds_its_connection_gets_another_outside_of_transactions(process, relay, pool):
    assert process.ask_and_keep() == 1

    relay.cut()
    relay.mend()

    assert process.ask_and_keep() == 1


def test_a_transaction_that_lost_its_connection_is_not_gone_on_with(relay):
    with closing(Process(relay.port, 0)) as process:
        process.wrapper.set_autocommit(False)
        process.wrapper.in_atomic_block = True  # as atomic() has it
        process.ask_and_keep()
        relay.cut()
        relay.mend()

        with pytest.raises(OperationalError):
            process.ask_and_keep()
        process.wrapper.in_atomic_block = False


@POOLS
def test_idle_connections_that_went_silent_cost_one_question(process, relay, pool, patiently_idle, found_silent):
    assert process.ask_at_once(4) == [1] * 4
    process.ask()

    relay.silence()

    assert [process.ask() for _ in range(6)] == [1] * 6
    assert len(found_silent) == 1


@POOLS
def test_a_statement_on_a_wire_that_goes_silent_ends_in_seconds_and_frees_its_thread(process, relay, pool):
    statement = f"SELECT {process.number} FROM pg_sleep(1.5)"

    def silence() -> None:
        """While it is at work on the statement."""
        with psycopg.connect(database_url(), autocommit=True) as other:
            at_work, end = "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query = %s", time.monotonic() + 60
            while other.execute(at_work, [statement]).fetchone() is None and time.monotonic() < end:
                time.sleep(0.01)
        relay.silence()

    assert process.ask() == 1
    asked = threading.Thread(target=silence)
    asked.start()
    started = time.monotonic()

    with pytest.raises(OperationalError, match="silent"):
        process.ask(statement)

    assert time.monotonic() - started < SILENT_SECONDS
    assert process.ask() == 1
    asked.join()


def test_what_a_silent_connection_had_locked_is_free_as_soon_as_it_is_found(relay):
    with closing(Process(relay.port, 0)) as process, psycopg.connect(database_url()) as other:
        process.wrapper.set_autocommit(False)
        process.wrapper.in_atomic_block = True  # as atomic() has it
        process.ask_and_keep("SELECT 1 FROM pg_advisory_xact_lock(4712)")
        relay.silence()

        with pytest.raises(OperationalError, match="silent"):
            process.ask_and_keep()
        process.wrapper.in_atomic_block = False

        other.execute("SET lock_timeout = '20s'")
        other.execute("SELECT pg_advisory_xact_lock(4712)")


def test_nobody_elses_connection_is_ended_where_its_process_has_the_number_of_ours(monkeypatch):
    """As after a failover behind one address: the new server has numbers of its own."""
    with (
        wires.WatchedConnection.connect(database_url()) as silent,
        psycopg.connect(database_url(), autocommit=True) as another,
    ):
        number = another.info.backend_pid
        monkeypatch.setattr(
            psycopg.ConnectionInfo,
            "backend_pid",
            property(lambda info: number if info.pgconn is silent.pgconn else info.pgconn.backend_pid),
        )
        monkeypatch.setattr(silent, "_opened", time.monotonic() - 60, raising=False)
        silent._is_known_elsewhere = True
        silent._silent()
        assert another.execute("SELECT 1").fetchone() == (1,)


@POOLS
def test_a_server_that_says_nothing_to_anybody_frees_every_thread(process, relay, pool):
    assert process.ask_at_once(4) == [1] * 4

    relay.silence(for_good=True)
    started = time.monotonic()
    told = process.ask_at_once(4)

    assert time.monotonic() - started < SILENT_SECONDS  # another connection is tried for, too
    assert all(isinstance(answer, OperationalError) for answer in told)
    relay.cut()  # what tries to connect need not be waited for


@POOLS
def test_a_slow_statement_is_let_finish(process, pool, quickly_asked_about):
    assert process.ask("SELECT 7 FROM pg_sleep(1.5)") == 7


@POOLS
def test_a_statement_that_waits_for_a_lock_is_let_wait(process, pool, quickly_asked_about):
    with psycopg.connect(database_url()) as other:
        other.execute("SELECT pg_advisory_xact_lock(4711)")
        threading.Timer(1.5, other.rollback).start()

        assert process.ask("SELECT 7 FROM pg_advisory_xact_lock(4711)") == 7


@POOLS
def test_the_kernel_looks_for_dropped_packets_in_every_process(process, pool):
    process.wrapper.ensure_connection()

    with socket.socket(fileno=os.dup(process.wrapper.connection.fileno())) as wire:
        assert wire.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 4
        assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 6000


def test_what_the_address_says_of_it_wins():
    options = database_settings("postgres://db/name?tcp_user_timeout=60000&connect_timeout=9")["OPTIONS"]

    assert (options["tcp_user_timeout"], options["connect_timeout"], options["keepalives_idle"]) == (60000, 9, 4)


def test_a_pool_serves_at_once_after_a_long_outage(relay):
    relay.cut()
    with closing(Process(relay.port, 4)) as process:
        pool = process.wrapper.pool
        pool.timeout = pool.reconnect_timeout = 0.3
        for _ in range(3):
            with pytest.raises(OperationalError):
                process.ask()
        relay.mend()
        pool.timeout = pool.reconnect_timeout = 60  # from here on it is the machine that takes its time

        assert process.ask() == 1


def test_who_comes_while_the_last_try_of_a_pool_fails_is_served_by_another(relay):
    relay.silence(for_good=True)
    with closing(Process(relay.port, 4)) as process:
        process.wrapper.settings_dict["OPTIONS"]["connect_timeout"] = 2  # the least that libpq takes
        pool = process.wrapper.pool
        pool.timeout, pool.reconnect_timeout = 0.1, 0  # each try is followed by one other, its last
        with pytest.raises(OperationalError):
            process.ask()
        relay.wait_until_let_in(6)  # the last tries of the two that a pool keeps ready, and of the one that it grows by
        relay.mend()
        pool.timeout = 30

        assert process.ask() == 1


# ---- A whole web process -----------------------------------------------------------------------------------------------


@pytest.fixture
def web(relay) -> Iterator[Web]:
    web = Web(DATABASE_URL=database_url(relay.port), DATABASE_POOL="6").start()
    yield web
    relay.cut()
    web.kill()


def reads(web: Web, secret: str, number: int) -> list[tuple[int, float]]:
    """So many reads at once: the status of each, and how long it took in seconds."""

    def one(_: int) -> tuple[int, float]:
        began = time.monotonic()
        answer = requests.get(f"{web.url}/v1/tasks", headers={"Authorization": f"Bearer {secret}"}, timeout=60)
        return answer.status_code, time.monotonic() - began

    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(one, range(number)))


def test_no_read_is_refused_after_the_database_was_restarted(web, relay, consumer):
    reads(web, consumer.secret, 12)

    relay.cut()
    relay.mend()

    told = reads(web, consumer.secret, 6) + reads(web, consumer.secret, 12)
    assert [status for status, _ in told] == [200] * 18


def test_reads_on_connections_that_a_firewall_forgot_are_answered_in_seconds(web, relay, consumer):
    reads(web, consumer.secret, 12)
    time.sleep(wires._LATELY)

    relay.silence()

    told = reads(web, consumer.secret, 12)
    assert [status for status, _ in told] == [200] * 12
    assert max(seconds for _, seconds in told) < SILENT_SECONDS
