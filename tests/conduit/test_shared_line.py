"""Statements that leave together are answered each for itself; a connection that goes wrong costs what was under way on it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
from django.db import connection

from conduit.postgresql import shared_line
from conduit.postgresql.shared_line import SharedLine

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no line"),
]

ECHO = "SELECT $1::text, $2::int + 1"


def run(act: Callable[[SharedLine], Awaitable[Any]]) -> Any:
    async def running() -> Any:
        line = SharedLine()
        try:
            return await act(line)
        finally:
            await line.close()

    return asyncio.run(running())


async def _echo(line: SharedLine, number: int = 1) -> list[tuple[Any, ...]]:
    return await line.ask(ECHO, (b"x", str(number).encode()))


def test_each_of_many_that_leave_together_gets_its_own_rows():
    async def act(line: SharedLine) -> Any:
        await _echo(line)
        many = [line.ask(ECHO, (None, str(number).encode())) for number in range(500)]
        few = line.ask("SELECT n FROM generate_series(1, $1::int) n WHERE n > 1", (b"3",))
        return await asyncio.gather(*many), await few, await line.ask("SELECT 1 WHERE false", ())

    many, few, none = run(act)

    assert many == [[(None, number + 1)] for number in range(500)]
    assert (few, none) == ([(2,), (3,)], [])


def test_who_comes_while_the_connection_is_made_waits_for_that_one():
    async def act(line: SharedLine) -> Any:
        first = line.ask("SELECT pg_backend_pid()", ())
        asked = [first]
        while not first.done():
            asked.append(line.ask("SELECT pg_backend_pid()", ()))
            await asyncio.sleep(0)
        return {pid for [(pid,)] in await asyncio.gather(*asked)}

    assert len(run(act)) == 1


def test_rows_larger_than_what_a_socket_takes_at_once_arrive_whole():
    async def act(line: SharedLine) -> Any:
        large = [line.ask("SELECT $1::text || repeat('x', 3000000)", (b"y" * 3_000_000,)) for _ in range(3)]
        return [len(rows[0][0]) for rows in await asyncio.gather(*large)]

    assert run(act) == [6_000_000] * 3


def test_a_statement_that_is_refused_fails_those_that_left_with_it_and_no_later_one():
    async def act(line: SharedLine) -> Any:
        await _echo(line)
        together = [line.ask(ECHO, (b"x", number)) for number in (b"1", b"one", b"3")]
        found = await asyncio.gather(*together, return_exceptions=True)
        return found, await _echo(line, 5)

    (before, refused, after), later = run(act)

    assert before == [("x", 2)]
    assert isinstance(refused, psycopg.Error)
    assert "invalid input syntax" in str(refused)
    assert isinstance(after, psycopg.Error)
    assert later == [("x", 6)]


def test_a_statement_that_cannot_be_prepared_is_refused_each_time():
    async def act(line: SharedLine) -> Any:
        for _ in range(2):
            with pytest.raises(psycopg.Error, match="no_such_table"):
                await line.ask("SELECT * FROM no_such_table", ())
        return await _echo(line)

    assert run(act) == [("x", 2)]


def test_a_connection_that_ended_meanwhile_is_made_anew():
    """What was under way on it failed; whoever comes when it is known to have ended notices nothing."""

    async def act(line: SharedLine) -> Any:
        [(pid,)] = await line.ask("SELECT pg_backend_pid()", ())
        under_way = line.ask("SELECT pg_sleep(20)", ())
        await asyncio.to_thread(_end, pid)
        with pytest.raises(psycopg.Error):
            await under_way
        [(another,)] = await line.ask("SELECT pg_backend_pid()", ())
        return pid, another

    pid, another = run(act)

    assert pid != another


def _end(pid: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 30000)", [pid])  # once it has ended
    connection.close()


def test_nobody_waits_for_an_answer_longer_than_the_patience(monkeypatch):
    monkeypatch.setattr(shared_line, "PATIENCE_SECONDS", 1.0)

    async def act(line: SharedLine) -> Any:
        [(pid,)] = await line.ask("SELECT pg_backend_pid()", ())
        slow, behind = line.ask("SELECT pg_sleep(20)", ()), line.ask(ECHO, (b"x", b"1"))
        for late in (slow, behind):
            with pytest.raises(TimeoutError):
                await late
        monkeypatch.setattr(shared_line, "PATIENCE_SECONDS", 60.0)
        await asyncio.to_thread(_end, pid)  # it sleeps on, and would keep the database of the tests
        return await _echo(line)

    assert run(act) == [("x", 2)]


def test_who_stops_waiting_takes_no_answer_from_others():
    async def act(line: SharedLine) -> Any:
        await _echo(line)
        gone, stays = line.ask(ECHO, (b"gone", b"1")), line.ask(ECHO, (b"stays", b"1"))
        gone.cancel()
        return await stays

    assert run(act) == [("stays", 2)]


def test_a_database_that_is_away_is_not_asked_by_everybody(monkeypatch):
    tried = []

    async def away() -> Any:
        tried.append(1)
        raise psycopg.OperationalError("away")

    monkeypatch.setattr(shared_line, "connect", away)

    async def act(line: SharedLine) -> None:
        for _ in range(3):
            asked = [line.ask(ECHO, (b"x", b"1")) for _ in range(5)]
            found = await asyncio.gather(*asked, return_exceptions=True)
            assert [type(error) for error in found] == [psycopg.OperationalError] * 5

    run(act)

    assert len(tried) == 1
