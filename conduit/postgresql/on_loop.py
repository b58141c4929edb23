"""Statements on the event loop, outside of transactions: for reads that no thread shall wait for."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

import psycopg
from django.db import connection

# What a read waits for a connection or an answer (seconds) before it goes the ordinary way.
PATIENCE_SECONDS = 2.0
# Connections of one web process: a statement takes a fraction of a millisecond, and each holds one for as long.
CONNECTIONS = 6


class LoopConnections:
    """A few connections of one event loop, in autocommit, made when they are needed. Statements are prepared after a few times.

    A connection on which anything went wrong is given up; the next statement makes another.
    """

    def __init__(self, connections: int = CONNECTIONS) -> None:
        self._idle: deque[psycopg.AsyncConnection[Any]] = deque()
        self._free = asyncio.Semaphore(connections)

    async def row(self, statement: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
        """The first row of what the statement gives, None of nothing.

        Raises:
            psycopg.Error, TimeoutError: the database is away, or busier than anybody may wait for here.
        """
        async with asyncio.timeout(PATIENCE_SECONDS), self._free:
            taken = self._idle.pop() if self._idle else await self._connect()
            try:
                cursor = await taken.execute(statement, values, prepare=True)
                found = await cursor.fetchone()
            except BaseException:
                # Cancelled in the middle of an answer it is of no use to the next either.
                taken.pgconn.finish()
                raise
            self._idle.append(taken)
            return found

    async def close(self) -> None:
        """Give back what lies idle."""
        while self._idle:
            await self._idle.pop().close()

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        # As Django connects, but for what is its pool's; moments in UTC, as it asks for them. What is read here is found by an index:
        # a plan that was prepared when a table was small must not read all of it when it has grown.
        parameters = {
            name: value for name, value in connection.get_connection_params().items() if name not in ("cursor_factory", "context", "pool")
        }
        parameters["options"] = f"{parameters.get('options', '')} -c timezone=UTC -c enable_seqscan=off".strip()
        return await psycopg.AsyncConnection.connect(**parameters, autocommit=True)
