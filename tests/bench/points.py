"""What `make bench` asks of both servers: a row for each path."""

import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench import BUDGETED

if TYPE_CHECKING:
    from tests.bench.servers import Prepared

CONNECTIONS = (1, 16, 64)

Requests = Callable[[], bytes]


@dataclass(frozen=True)
class Point:
    """`request` makes the next request of each connection, `beside` that of as many others meanwhile."""

    name: str
    request: Requests
    connections: Sequence[int] = CONNECTIONS
    beside: Requests | None = None


def points_of(prepared: "Prepared") -> list[Point]:
    from tests.bench.servers import WANTED

    body = json.dumps(WANTED)
    tasks = [f"/v1/tasks/{task_id}" for task_id in prepared.etags]
    known = {f"/v1/tasks/{task_id}": etag for task_id, etag in prepared.etags.items() if task_id in prepared.ended}
    reads = _in_turn(_get(path, prepared.secret) for path in tasks)
    many = _in_turn(_create(secret, body) for secret in prepared.many)
    return [
        Point("read", reads),
        Point("304", _in_turn(_get(path, prepared.secret, f"If-None-Match: {etag}\r\n") for path, etag in known.items())),
        Point("list", _in_turn([_get("/v1/tasks", prepared.secret)])),
        Point("read, creates beside", reads, connections=(16,), beside=many),
        Point("create", many),
        Point("create, one key", _in_turn([_create(prepared.secret, body)])),
        Point("create, budgets", _in_turn(_create(secret, body, f"{BUDGETED}: 2\r\n") for secret in prepared.budgeted)),
    ]


def _in_turn(requests: Iterable[bytes]) -> Requests:
    around = itertools.cycle(list(requests))
    return lambda: next(around)


def _get(path: str, secret: str, more: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\n{_head(secret)}{more}\r\n".encode()


def _create(secret: str, body: str, more: str = "") -> bytes:
    head = f"{_head(secret)}{more}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return f"POST /v1/video/generations HTTP/1.1\r\n{head}{body}".encode()


def _head(secret: str) -> str:
    return f"Host: 127.0.0.1\r\nAuthorization: Bearer {secret}\r\n"
