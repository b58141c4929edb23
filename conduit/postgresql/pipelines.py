"""Connections of the event loop that send statements together and hear all of their answers at once (libpq's pipeline mode).

psycopg's own pipelines take four times the processor for it: a cursor for each statement, and a task for each wait. Here the loop is
told once of each socket, and what is sent is prepared once for each connection. All of it is by psycopg's documented low level (pq).
An idle connection whose end was told (a restart) is known to be dead before anybody uses it.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import psycopg
from django.db import DatabaseError, utils
from psycopg import pq
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.types.json import Jsonb
from psycopg.types.string import TextLoader

from conduit.postgresql.on_loop import connect
from conduit.statements import Row, Rows, Statement

# Statements that one connection prepares at most; those of rare shapes are sent whole.
PREPARED_MAX = 200
_GOOD = frozenset({ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK, ExecStatus.EMPTY_QUERY})


class Pipeline:
    """One connection. One batch is in the air at a time."""

    def __init__(self, opened: psycopg.AsyncConnection[Any]) -> None:
        self._opened = opened
        self._pg = opened.pgconn
        self._pg.enter_pipeline_mode()
        self._adapting = Transformer(opened)
        self._prepared: dict[tuple[str, str, tuple[int, ...]], bytes] = {}
        self._answers: list[pq.abc.PGresult] = []
        self._expected = 0
        self._is_finished = False
        self.may_have_committed = False  # with what was sent last
        self._heard: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._socket = self._pg.socket
        self._loop.add_reader(self._socket, self._read)

    @classmethod
    async def open(cls) -> "Pipeline":
        """A new connection.

        Raises:
            psycopg.Error: the database is away.
        """
        opened = await connect()
        opened.adapters.register_loader("inet", TextLoader)  # as Django has it
        return cls(opened)

    @property
    def lives(self) -> bool:
        return self._pg.status == ConnStatus.OK

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in the air, and no transaction is open."""
        return self.lives and self._heard is None and self._pg.transaction_status == pq.TransactionStatus.IDLE

    async def send(self, batch: Sequence[Statement]) -> list[Rows]:
        """Send these together, and give what each gave. None of those after one that fails is done.

        Raises:
            django.db.DatabaseError: by the first that failed, or because the connection is lost.
        """
        try:
            # Of each statement the place of its answer, behind that of its preparation.
            places, expected = [], 0
            for statement in batch:
                expected += self._send(statement)
                places.append(expected - 1)
            self._pg.pipeline_sync()
            self._flush()
            answers = await self._until(expected)
        except psycopg.Error as error:
            self.finish()
            raise as_django(error) from error
        except BaseException:
            self.finish()  # cancelled in the middle of an answer, it is of no use to anybody
            raise
        for answer in answers:
            if answer.status not in _GOOD:
                failed = error_from_result(answer)
                raise as_django(failed) from failed
        return [self._rows(answers[place]) for place in places]

    def finish(self) -> None:
        """Close it, at once. Again is fine: its number may be another connection's by then."""
        if self._is_finished:
            return
        self._is_finished = True
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._pg.finish()

    # ---- Sending

    def _send(self, statement: Statement) -> int:
        """How many answers there will be."""
        values = [Jsonb(value) if isinstance(value, dict | list) else value for value in statement.values]
        sent = self._adapting.dump_sequence(values, [PyFormat.AUTO] * len(values))
        types, formats = self._adapting.types or (), self._adapting.formats
        shape = (statement.sql, statement.lock, types)
        name = self._prepared.get(shape)
        if name is not None:
            self._pg.send_query_prepared(name, sent, formats)
            return 1
        sql = numbered(statement.sql + statement.lock)
        if len(self._prepared) >= PREPARED_MAX:
            self._pg.send_query_params(sql, sent, types, formats)
            return 1
        self._prepared[shape] = name = b"of_loop_%d" % len(self._prepared)
        self._pg.send_prepare(name, sql, types)
        self._pg.send_query_prepared(name, sent, formats)
        return 2

    def _flush(self) -> None:
        if self._pg.flush():
            self._loop.add_writer(self._socket, self._flush_on)

    def _flush_on(self) -> None:
        try:
            if not self._pg.flush():
                self._loop.remove_writer(self._socket)
        except psycopg.Error as error:
            self._fail(error)

    # ---- Hearing

    async def _until(self, expected: int) -> list[pq.abc.PGresult]:
        self._answers, self._expected = [], expected + 1  # the synchronization at the end
        self._heard = self._loop.create_future()
        try:
            await self._heard
        finally:
            self._heard = None
        return self._answers[:-1]

    def _read(self) -> None:
        """Called whenever there is something to read."""
        try:
            self._pg.consume_input()
            while self._heard and len(self._answers) < self._expected and not self._pg.is_busy():
                if answer := self._pg.get_result():
                    self._answers.append(answer)
        except psycopg.Error as error:
            self._fail(error)
            return
        if self._heard and len(self._answers) == self._expected and not self._heard.done():
            self._heard.set_result(None)

    def _fail(self, error: Exception) -> None:
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        if self._heard and not self._heard.done():
            self._heard.set_exception(error)

    def _rows(self, answer: pq.abc.PGresult) -> list[Row]:
        self._adapting.set_pgresult(answer)
        return self._adapting.load_rows(0, answer.ntuples, tuple)


def numbered(sql: str) -> bytes:
    """`%s` as PostgreSQL's own placeholders. Statements hold no other per cent sign."""
    first, *others = sql.split("%s")
    return "".join([first, *(f"${number}{part}" for number, part in enumerate(others, start=1))]).encode()


def as_django(error: psycopg.Error) -> DatabaseError:
    """The error of Django's that stands for it, which whoever judges errors knows."""
    names = [kind.__name__ for kind in type(error).__mro__]
    kind = next((found for name in names if (found := getattr(utils, name, None))), DatabaseError)
    found = kind(*error.args)
    found.__cause__ = error
    return found
