"""The floor that Conduit is compared with: ASGI and psycopg, and nothing else.

A read is one query by primary key, in autocommit, whose JSON goes out as it is stored, or 304 to whoever names a version; a list is one
query for the newest, put together as they are stored. A create parses its body, writes as many rows as
Conduit does, a statement for each, in one transaction, and renders an answer like Conduit's. Async: threads would only cost it hops.
"""

import json
import os
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

from psycopg_pool import AsyncConnectionPool

from tests.bench import BUDGETED

_POOL_SIZE = int(os.environ["DATABASE_POOL"])
# Rows of a create: the task, its video, its hold, the place in the key's history, the event; and those of the periods of a key's budget
# and of its team's.
ROWS, ROWS_WITH_BUDGETS = 5, 7
LIST = "/v1/tasks"
# What a create answers, but for the id.
_ANSWER = json.loads(os.environ["BARE_ANSWER"])

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# Opened by the first request: daphne has no lifespan, and a pool belongs to a running loop.
_pool = AsyncConnectionPool(
    os.environ["DATABASE_URL"], min_size=2, max_size=_POOL_SIZE, timeout=10, open=False, kwargs={"autocommit": True}
)


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    await _pool.open()
    if scope["method"] == "POST":
        rows = ROWS_WITH_BUDGETS if any(name == BUDGETED.encode() for name, _ in scope["headers"]) else ROWS
        await _answer(send, 202, await _create(json.loads(await _body(receive)), rows))
    elif scope["path"] == LIST:
        await _answer(send, 200, await _list())
    else:
        body = await _read(UUID(scope["path"].rpartition("/")[2]))
        knows = any(name == b"if-none-match" for name, _ in scope["headers"])
        await _answer(send, 304 if knows else 200, b"" if knows else body)


async def _read(row_id: UUID) -> bytes:
    async with _pool.connection() as connection:
        cursor = await connection.execute("SELECT body FROM bare_first WHERE id = %s", [row_id])
        row = await cursor.fetchone()
    assert row is not None
    return row[0].encode()


async def _list() -> bytes:
    """A page as Conduit gives it: twenty, and whether there are more."""
    async with _pool.connection() as connection:
        cursor = await connection.execute("SELECT id, body FROM bare_first ORDER BY id DESC LIMIT 21")
        rows = await cursor.fetchall()
    ends = f'"first_id":"{rows[0][0]}","last_id":"{rows[:20][-1][0]}","has_more":{"true" if len(rows) > 20 else "false"}'
    return f'{{"object":"list","data":[{",".join(body for _, body in rows[:20])}],{ends}}}'.encode()


async def _create(wanted: dict[str, Any], rows: int) -> bytes:
    row_id = uuid4()
    answer = json.dumps(_ANSWER | {"task_id": str(row_id), "prompt": wanted["prompt"]})
    async with _pool.connection() as connection, connection.transaction():
        await connection.execute("INSERT INTO bare_first (id, body) VALUES (%s, %s)", [row_id, answer])
        for _ in range(rows - 1):
            await connection.execute("INSERT INTO bare_further (first_id, body) VALUES (%s, %s)", [row_id, wanted["prompt"]])
    return answer.encode()


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
