"""Transactions on the event loop: steps (conduit.statements) over a few connections, for which callers wait on the loop."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from django.db import DatabaseError, OperationalError

from conduit.postgresql.pipelines import Pipeline
from conduit.statements import Last, Result, Rows, Statement, Steps

# Connections of one web process. A transaction has one for itself, for a millisecond where it waits for nobody's locks.
CONNECTIONS = 8
# What statements may take, in seconds: the database itself ends a wait for a lock before (conduit.database.LOCK_SECONDS).
PATIENCE_SECONDS = 12.0
# What one waits here for a connection, or for one to be made.
CONNECT_SECONDS = 5.0

_BEGIN, _COMMIT, _ROLLBACK = (Statement(word) for word in ("BEGIN", "COMMIT", "ROLLBACK"))


class LoopTransactions:
    """Belongs to one event loop. Connections are made when they are needed, and given up when anything went wrong on them."""

    def __init__(self, connections: int = CONNECTIONS) -> None:
        self._idle: deque[Pipeline] = deque()
        self._free = asyncio.Semaphore(connections)

    async def ask(self, steps: Callable[[], Steps[Result]]) -> Result:
        """Do steps that only read, each statement by itself.

        Raises:
            django.db.DatabaseError: the database is away.
        """
        return await self._twice(lambda pipeline: _by_themselves(pipeline, steps()))

    async def run(self, steps: Callable[[], Steps[Result]]) -> Result:
        """Do these steps in a transaction. What has begun is finished, even if the caller is cancelled: `steps` are called twice only if
        nothing of the first time can be left.

        Raises:
            django.db.DatabaseError: the database is away, or busy; after a commit whose answer was lost nobody knows.
            Exception: what the steps raise. Nothing is written then.
        """
        return await self._twice(lambda pipeline: _transaction(pipeline, steps()))

    async def close(self) -> None:
        """Give back what lies idle."""
        while self._idle:
            self._idle.pop().finish()

    async def _twice(self, work: Callable[[Pipeline], Awaitable[Result]]) -> Result:
        """Over a connection of its own. One that turns out to be dead (the database was started anew) is replaced by a new one, once."""
        async with self._free:
            pipeline = await self._taken()
            try:
                try:
                    return await work(pipeline)
                except DatabaseError:
                    if pipeline.lives or pipeline.may_have_committed:
                        raise
                while self._idle:  # they are of the same age
                    self._idle.pop().finish()
                pipeline = await self._opened()
                return await work(pipeline)
            finally:
                if pipeline.is_idle:
                    self._idle.append(pipeline)
                else:
                    pipeline.finish()

    async def _taken(self) -> Pipeline:
        while self._idle:
            if (pipeline := self._idle.pop()).lives:
                return pipeline
            pipeline.finish()
        return await self._opened()

    async def _opened(self) -> Pipeline:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await Pipeline.open()
        except TimeoutError:
            raise OperationalError("the database does not answer") from None


async def _by_themselves(pipeline: Pipeline, steps: Steps[Result]) -> Result:
    try:
        batch = next(steps)
        while True:
            batch = steps.send(await _sent(pipeline, batch))
    except StopIteration as end:
        result: Result = end.value
        return result


async def _transaction(pipeline: Pipeline, steps: Steps[Result]) -> Result:
    begin, commit = [_BEGIN], list[Statement]()
    try:
        batch = next(steps)
        while True:
            commit = [_COMMIT] if isinstance(batch, Last) else []
            try:
                found = await _sent(pipeline, [*begin, *batch, *commit])
            except DatabaseError as error:
                batch = steps.throw(error)
            else:
                found = found[len(begin) : len(begin) + len(batch)]
                begin = []
                batch = steps.send(found)
    except StopIteration as end:
        if not commit:
            await _sent(pipeline, [_COMMIT])
        result: Result = end.value
        return result
    finally:
        # Only what was refused, or went wrong, leaves one open.
        if pipeline.lives and not pipeline.is_idle:
            await _sent(pipeline, [_ROLLBACK])


async def _sent(pipeline: Pipeline, batch: list[Statement]) -> list[Rows]:
    pipeline.may_have_committed = batch[-1] is _COMMIT
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await pipeline.send(batch)
    except TimeoutError:
        raise OperationalError("the database does not answer") from None
