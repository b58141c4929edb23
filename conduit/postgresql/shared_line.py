"""Statements that many ask on the event loop, over one connection: those of one moment leave together, and each asker gets his own.

A statement costs a tenth of what it costs over psycopg's asynchronous connection, and what many ask at once is one message there and
one back. That is for reads that find a few rows by an index: nothing here waits for a
lock, writes or has a transaction (conduit.postgresql.transactions).
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import pq

from conduit.postgresql.on_loop import connect
from conduit.postgresql.pipelined import Pipelined

# What a statement waits for a connection or an answer (seconds): then it fails, and the connection with it.
PATIENCE_SECONDS = 2.0
# After a connection that answered nothing, none is tried for so long (seconds).
PAUSE_SECONDS = 1.0

Row = tuple[Any, ...]
Values = Sequence[bytes | None]


class SharedLine:
    """One connection of one event loop, made when it is needed, and anew after anything went wrong on it."""

    def __init__(self) -> None:
        self._line: _Line | None = None
        self._opening: asyncio.Task[_Line] | None = None
        self._paused_until = 0.0
        self._is_closed = False

    def ask(self, statement: str, values: Values) -> "asyncio.Future[list[Row]]":
        """Ask now; the rows are awaited whenever they are needed. Parameters are $1, $2, …, the values as PostgreSQL reads them.

        Raises (when awaited):
            psycopg.Error: the database is away, or refuses this statement or one that left together with it.
            TimeoutError: it is busier than anybody may wait for here.
        """
        line = self._line
        asked = line.ask(statement, values) if line and line.is_open else asyncio.ensure_future(self._ask_later(statement, values))
        asked.add_done_callback(_looked_at)
        return asked

    async def close(self) -> None:
        """Give the connection back, for good: a caller that asks still is told that the database is away."""
        self._is_closed = True
        if self._opening:
            await asyncio.wait([self._opening])
        if self._line:
            self._line.end(psycopg.OperationalError("the process ends"))

    async def _ask_later(self, statement: str, values: Values) -> list[Row]:
        line = await self._opened()
        return await line.ask(statement, values)

    async def _opened(self) -> "_Line":
        if self._is_closed:
            raise psycopg.OperationalError("the process ends")
        if self._line and self._line.is_open:  # it was made meanwhile
            return self._line
        if self._opening is None:
            if self._line and not self._line.answered:
                self._paused_until = self._line.ended_at + PAUSE_SECONDS
            if time.monotonic() < self._paused_until:
                raise psycopg.OperationalError("the database did not answer a moment ago")
            # Without the context of the first caller: the line would keep all that it holds.
            self._opening = asyncio.get_running_loop().create_task(self._open(), context=Context())
            self._opening.add_done_callback(_looked_at)
        # A caller that gives up waiting does not take the connection from the others.
        return await asyncio.shield(self._opening)

    async def _open(self) -> "_Line":
        self._line = None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                self._line = _Line(await connect())
        except (psycopg.Error, TimeoutError):
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            raise
        finally:
            self._opening = None
        return self._line


def _looked_at(asked: "asyncio.Future[Any]") -> None:
    """An error that nobody waits for any more need be told to nobody."""
    if not asked.cancelled():
        asked.exception()


@dataclass(slots=True)
class _Question:
    """One that is under way. Nobody asked how a statement was prepared."""

    asker: "asyncio.Future[list[Row]] | None"
    asked_at: float
    result: "pq.abc.PGresult | None" = None


class _Line(Pipelined):
    """What is asked in one turn of the loop leaves at its end; answers come in the same order."""

    def __init__(self, opened: psycopg.AsyncConnection[Any]) -> None:
        super().__init__(opened)
        self.answered, self.ended_at = False, 0.0
        self._is_spoilt = False
        self._refusal = ""
        self._names: dict[str, bytes] = {}
        self._questions: deque[_Question] = deque()
        self._batches = 0  # under way: the server says where each of them ends
        self._leaves = False
        self._watch: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        return not (self._is_spoilt or self._has_ended)

    def ask(self, statement: str, values: Values) -> "asyncio.Future[list[Row]]":
        asker: asyncio.Future[list[Row]] = self._loop.create_future()
        try:
            if (name := self._names.get(statement)) is None:
                name = self._names[statement] = f"conduit_{len(self._names)}".encode()
                self._libpq.send_prepare(name, statement.encode())
                self._questions.append(_Question(None, self._loop.time()))
            self._libpq.send_query_prepared(name, values)
        except psycopg.Error as error:
            self.end(error)
            raise
        self._questions.append(_Question(asker, self._loop.time()))
        if not self._leaves:
            self._leaves = True
            self._loop.call_soon(self._send)
        return asker

    def end(self, error: Exception) -> None:
        """Close it; callers that still wait are told why."""
        if self._has_ended:
            return
        self.ended_at = time.monotonic()
        if self._watch:
            self._watch.cancel()
        self.finish()
        for question in self._questions:
            if question.asker and not question.asker.done():
                question.asker.set_exception(error)
        self._questions.clear()

    _broke = end

    def _send(self) -> None:
        self._leaves = False
        if self._has_ended:
            return
        try:
            self._batches += 1
            self._leave()
        except psycopg.Error as error:
            self.end(error)
            return
        if self._watch is None:
            self._watch = self._loop.call_later(PATIENCE_SECONDS, self._look)

    def _waits(self) -> bool:
        return self._batches > 0 and not self._has_ended

    def _take(self, result: "pq.abc.PGresult | None") -> None:
        self.answered = True
        if result is None:
            self._answer(self._questions.popleft())
        elif result.status == pq.ExecStatus.PIPELINE_SYNC:
            self._batches -= 1
            if self._is_spoilt and not self._questions:
                self.end(psycopg.OperationalError("a statement was refused"))
        else:
            self._questions[0].result = result
            if result.status == pq.ExecStatus.FATAL_ERROR:
                self._refusal = result.error_message.decode(errors="replace").strip()
                self._is_spoilt = True  # a statement may not be prepared, or not any more: nothing new is asked here

    def _answer(self, question: _Question) -> None:
        asker, result = question.asker, question.result
        if asker is None or asker.done() or result is None:
            return
        if result.status == pq.ExecStatus.TUPLES_OK:
            asker.set_result(self._rows(result))
        else:
            asker.set_exception(psycopg.OperationalError(f"this statement, or one that left before it, was refused: {self._refusal}"))

    def _look(self) -> None:
        """Whether the oldest question has waited for too long."""
        self._watch = None
        if not self._questions:
            return
        left = self._questions[0].asked_at + PATIENCE_SECONDS - self._loop.time()
        if left <= 0:
            self.end(TimeoutError("the database does not answer"))
        else:
            self._watch = self._loop.call_later(left, self._look)
