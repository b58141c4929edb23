"""Connections of the event loop that send the statements of a transaction together, and give all of their answers at once.

What is sent is prepared once for each connection. One that lies idle and whose end was told (a restart) is known to be dead before
anybody uses it.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import psycopg
from django.db import DatabaseError, utils
from psycopg import pq
from psycopg.adapt import PyFormat
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.types.json import Jsonb
from psycopg.types.string import TextLoader

from conduit.postgresql.on_loop import connect
from conduit.postgresql.pipelined import Pipelined
from conduit.statements import Rows, Statement

# Statements that one connection prepares at most; those of rare shapes are sent whole.
PREPARED_MAX = 200
_Shape = tuple[str, str, tuple[int, ...]]
_GOOD = frozenset({ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK, ExecStatus.EMPTY_QUERY})


class Pipeline(Pipelined):
    """One connection. One batch is in the air at a time."""

    def __init__(self, opened: psycopg.AsyncConnection[Any]) -> None:
        super().__init__(opened)
        self._prepared: dict[_Shape, bytes] = {}
        self._names = 0  # that were given
        self._preparing: dict[int, _Shape] = {}  # by the places of their answers, what the batch in the air prepares
        self._answers: list[pq.abc.PGresult] = []
        self._expected = 0
        self.may_have_committed = False  # with what was sent last
        self._heard: asyncio.Future[None] | None = None

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
        return self._libpq.status == ConnStatus.OK

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in the air, and no transaction is open."""
        return self.lives and self._heard is None and self._libpq.transaction_status == pq.TransactionStatus.IDLE

    async def send(self, batch: Sequence[Statement]) -> list[Rows]:
        """Send these together, and give what each gave. None of those after one that fails is done.

        Raises:
            django.db.DatabaseError: by the first that failed, or because the connection is lost.
        """
        try:
            # Of each statement the place of its answer, behind that of its preparation.
            places, expected = [], 0
            self._preparing.clear()
            for statement in batch:
                expected += self._send(statement, expected)
                places.append(expected - 1)
            self._leave()
            answers = await self._until(expected)
            self._forget_unprepared(answers)
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

    # ---- Sending

    def _send(self, statement: Statement, place: int) -> int:
        """How many answers there will be, the first of them in that place."""
        values = [Jsonb(value) if isinstance(value, dict | list) else value for value in statement.values]
        sent = self._adapting.dump_sequence(values, [PyFormat.AUTO] * len(values))
        types, formats = self._adapting.types or (), self._adapting.formats
        shape = (statement.sql, statement.lock, types)
        name = self._prepared.get(shape)
        if name is not None:
            self._libpq.send_query_prepared(name, sent, formats)
            return 1
        sql = numbered(statement.sql + statement.lock)
        if len(self._prepared) >= PREPARED_MAX:
            self._libpq.send_query_params(sql, sent, types, formats)
            return 1
        self._names += 1
        self._prepared[shape] = name = b"of_loop_%d" % self._names
        self._preparing[place] = shape
        self._libpq.send_prepare(name, sql, types)
        self._libpq.send_query_prepared(name, sent, formats)
        return 2

    def _forget_unprepared(self, answers: Sequence[pq.abc.PGresult]) -> None:
        """What stood behind a statement that failed was not prepared either."""
        for place, shape in self._preparing.items():
            if answers[place].status not in _GOOD:
                del self._prepared[shape]

    # ---- Hearing

    async def _until(self, expected: int) -> list[pq.abc.PGresult]:
        self._answers, self._expected = [], expected + 1  # the synchronization at the end
        self._heard = self._loop.create_future()
        try:
            await self._heard
        finally:
            self._heard = None
        return self._answers[:-1]

    def _waits(self) -> bool:
        return self._heard is not None and len(self._answers) < self._expected

    def _take(self, result: "pq.abc.PGresult | None") -> None:
        if result is None:
            return
        self._answers.append(result)
        if self._heard and len(self._answers) == self._expected and not self._heard.done():
            self._heard.set_result(None)

    def _broke(self, error: psycopg.Error) -> None:
        self._deaf()
        if self._heard and not self._heard.done():
            self._heard.set_exception(error)


def numbered(sql: str) -> bytes:
    """`%s` as PostgreSQL's own placeholders. Statements hold no other per cent sign."""
    first, *others = sql.split("%s")
    return "".join([first, *(f"${number}{part}" for number, part in enumerate(others, start=1))]).encode()


def as_django(error: psycopg.Error) -> DatabaseError:
    """The error of Django's that stands for it, which the code that judges errors knows."""
    names = [kind.__name__ for kind in type(error).__mro__]
    kind = next((found for name in names if (found := getattr(utils, name, None))), DatabaseError)
    found = kind(*error.args)
    found.__cause__ = error
    return found
