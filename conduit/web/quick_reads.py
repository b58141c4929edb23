"""Reading a task on the event loop: no thread, no REST framework, no ORM. Whatever is unusual goes the ordinary way.

What is answered here is what the ordinary way answers, to the byte (tests/web/test_quick_reads.py): the same functions judge the
secret, the address and the limit, and show the task. What they refuse is left to the ordinary way, which refuses it again.
"""

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import psycopg
import structlog
from django.conf import settings
from django.http.request import split_domain_port, validate_host
from rest_framework.renderers import JSONRenderer

from conduit import clock
from conduit.api.access_log import log_request
from conduit.api.always import with_always
from conduit.api.callers import client_known
from conduit.api.errors import ApiError
from conduit.api.middleware import request_id_of
from conduit.api.policy import HEADER, NOTHING
from conduit.api.views import etag_of, is_one_of
from conduit.postgresql.on_loop import LoopConnections
from conduit.streams.breaker import Away
from conduit.web.refusals import Application, Headers, client_of
from keys import limits
from keys.authentication import check_secret
from keys.services import hash_secret
from tasks import reading
from tasks.ids import parse_task_id
from tasks.presentation import show

ROOT = "/v1/tasks"
_ID_AT = len(ROOT) + 1
# With one of these a request has a body, an origin, a session, or a second secret, on which other rules have a say.
_UNUSUAL = frozenset({
    b"content-length", b"content-type", b"cookie", b"expect", b"origin", b"transfer-encoding", b"upgrade", b"x-api-key",
})  # fmt: skip
# What the ordinary way says of every task that is read.
_HERE = [(b"Cache-Control", b"private, no-cache"), (b"Allow", b"GET, HEAD, OPTIONS"), (b"Vary", b"origin")]


class QuickReads:
    """Answers `GET /v1/tasks/{id}`; gives `ordinary` what it does not."""

    def __init__(self, ordinary: Application) -> None:
        self._ordinary = ordinary
        self._database = LoopConnections()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        began = time.perf_counter()
        asked = _asked(scope)
        answer = await self._answer(scope, *asked) if asked else None
        if answer is None:
            await self._ordinary(scope, receive, send)
            return
        client_known(scope)
        status, headers, body = answer
        headers_sent = dict(scope["headers"])
        request_id = request_id_of(headers_sent.get(b"x-request-id", b"").decode("latin-1"))
        headers = with_always([*headers, (b"X-Request-ID", request_id.encode())])
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            log_request(method=scope["method"], path=scope["path"], status=status, began=began, client=client_of(scope))

    async def close(self) -> None:
        """Give the database's connections back."""
        await self._database.close()

    async def _answer(self, scope: Mapping[str, Any], secret: str, task_id: Any, known: str) -> tuple[int, Headers, bytes] | None:
        try:
            row = await self._database.row(reading.statement(), reading.values(secret_hash=hash_secret(secret), task_id=task_id))
            found = reading.found(row) if row else None
            if found is None or found.task is None:
                return None
            check_secret(found.secret)
            address = client_of(scope)
            limits.check_address(found.secret.key, address)
            rate = await limits.count_call_on_loop(found.secret.key, "read", address=address)
        except (ApiError, psycopg.Error, Away, TimeoutError, OSError):
            return None
        body = JSONRenderer().render(show(found.task, clock.now()))
        etag = etag_of(body)
        headers = [(name.encode(), value.encode()) for name, value in rate.headers.items()]
        headers += [(b"ETag", etag.encode()), *_HERE]
        if is_one_of(known, etag):
            return 304, [*headers, (b"Content-Length", b"0")], b""
        headers += [(b"Content-Type", b"application/json"), (HEADER.encode(), NOTHING.encode())]
        return 200, [*headers, (b"Content-Length", str(len(body)).encode())], body


def _asked(scope: Mapping[str, Any]) -> tuple[str, Any, str] | None:
    """The secret, the task's id and the versions that the client has, of a request in which nothing is unusual."""
    if scope["method"] not in ("GET", "HEAD"):
        return None
    task_id = parse_task_id(scope["path"][_ID_AT:])
    headers = dict(scope["headers"])
    if task_id is None or len(headers) != len(scope["headers"]) or not _UNUSUAL.isdisjoint(headers):
        return None
    scheme, _, secret = headers.get(b"authorization", b"").partition(b" ")
    secret = secret.strip()
    if scheme.lower() != b"bearer" or not secret.isascii() or not is_served(headers.get(b"host", b"")):
        return None
    return secret.decode(), task_id, headers.get(b"if-none-match", b"").decode("latin-1")


@lru_cache(maxsize=64)
def is_served(host: bytes) -> bool:
    """Whether Django serves that host."""
    domain, _ = split_domain_port(host.decode("latin-1"))
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)
