"""Connections of the event loop, which no thread shall wait for."""

from typing import Any

import psycopg
from django.db import connection


async def connect() -> psycopg.AsyncConnection[Any]:
    """A new connection, as Django makes them but for what is its pool's, in autocommit.

    Raises:
        psycopg.Error: the database is away.
    """
    given = connection.get_connection_params()
    parameters = {name: value for name, value in given.items() if name not in ("cursor_factory", "context", "pool")}
    # Moments in UTC, as Django asks for them. What is read here is found by an index: a plan that was prepared when a table was
    # small must not read all of it when it has grown. What so little takes is never worth compiling, however dear a plan is called by
    # a server that counts what is off as a cost.
    parameters["options"] = f"{parameters.get('options', '')} -c timezone=UTC -c enable_seqscan=off -c jit=off".strip()
    return await psycopg.AsyncConnection.connect(**parameters, autocommit=True)
