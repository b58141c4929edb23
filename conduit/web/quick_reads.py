"""Reading tasks on the event loop: no thread, no REST framework, no ORM. Whatever is unusual goes the ordinary way.

What is answered here is what the ordinary way answers, to the byte (tests/web/test_quick_reads.py): the same functions judge the
secret, the address and the limit, and show the task. A secret that opens nothing is left to the ordinary way, which refuses it again.

The database and Redis are asked at the same time. By whose limit the call counts is known from the last call with that secret; what its
key may do is judged by the row of now. So nothing that is remembered lets anybody in: a change of the key costs each process one
call that is counted by the old numbers, and again by the new ones.

An ETag is the digest of the body, here as there. Of a task that ended a process remembers it with its row's version: a client with that
is told so before anything is rendered.
"""

import re
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
import structlog
from rest_framework.renderers import JSONRenderer

from conduit import clock
from conduit.api.callers import client_known
from conduit.api.errors import ApiError, Unauthenticated, envelope
from conduit.api.middleware import request_id_of
from conduit.api.pagination import LIMIT_DEFAULT, page
from conduit.api.policy import HEADER, NOTHING
from conduit.api.views import etag_of, is_one_of
from conduit.postgresql.shared_line import SharedLine
from conduit.streams.breaker import Away
from conduit.web.quick import Answer, header_lines, length_of, usual
from conduit.web.recent import Recent
from conduit.web.refusals import Application, Headers, client_of
from keys import limits, rates
from keys.authentication import check_secret
from keys.models import KeySecret
from keys.services import hash_secret
from tasks import reading
from tasks.ids import parse_task_id
from tasks.models import Task
from tasks.presentation import show, version_of_ended
from videos.presentation import KIND as VIDEO

ROOT, MADE_AT = "/v1/tasks", "/v1/video/generations"
# With one of these a request has a body, an origin, a session, or a second secret, on which other rules have a say.
_UNUSUAL = frozenset({
    b"content-length", b"content-type", b"cookie", b"expect", b"origin", b"transfer-encoding", b"upgrade", b"x-api-key",
})  # fmt: skip
# What the ordinary way says of every answer here, which depends on what else the path takes, of a task, and of what has a body.
_HERE: dict[tuple[str, bool], Headers] = {
    (ROOT, True): [(b"Allow", b"GET, HEAD, OPTIONS"), (b"Vary", b"origin")],
    (ROOT, False): [(b"Allow", b"GET, HEAD, OPTIONS"), (b"Vary", b"origin")],
    (MADE_AT, True): [(b"Allow", b"GET, DELETE, HEAD, OPTIONS"), (b"Vary", b"origin")],
    (MADE_AT, False): [(b"Allow", b"GET, POST, HEAD, OPTIONS"), (b"Vary", b"origin")],
}
_OF_A_TASK = [(b"Cache-Control", b"private, no-cache")]
_NOT_KEPT = (b"Cache-Control", b"private, no-store")
_OF_JSON = [(b"Content-Type", b"application/json"), (HEADER.encode(), NOTHING.encode())]
_PAGE = re.compile(rb"(?:limit=(?P<limit>[0-9]{1,3}))?")
# Tasks of one answer at most: showing one takes 50 us, and others wait meanwhile.
LIST_MAX = LIMIT_DEFAULT
# What a process remembers; beyond that it forgets what it learnt first.
SEEN_MAX, ETAGS_MAX = 2000, 5000


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a request asks for in which nothing is unusual."""

    secret_hash: str
    root: str
    task_id: UUID | None  # None: the newest ones
    limit: int
    known: str  # the versions that the client has
    address: str
    request_id: str

    @property
    def here(self) -> Headers:
        """What every answer says."""
        return _HERE[self.root, self.task_id is not None]


class QuickReads:
    """Answers `GET /v1/tasks/{id}`, and `GET /v1/tasks` for a page of the newest, at either path; gives `ordinary` what it does not."""

    def __init__(self, ordinary: Application) -> None:
        self._ordinary = ordinary
        self._database = SharedLine()
        # By digest, as it was read last: from which numbers to count the next call while its row is looked up. The row decides.
        self._seen: Recent[str, KeySecret] = Recent(SEEN_MAX)
        # Of tasks that ended, by the version of their row.
        self._etags: Recent[Hashable, str] = Recent(ETAGS_MAX)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        began = time.perf_counter()
        asked = _asked(scope)
        answer = await self._answer(asked) if asked else None
        if asked is None or answer is None:
            await self._ordinary(scope, receive, send)
            return
        client_known(scope)
        with structlog.contextvars.bound_contextvars(request_id=asked.request_id):
            await answer.leave(scope, send, request_id=asked.request_id, client=asked.address, began=began)

    async def close(self) -> None:
        """Give the database's connection back."""
        await self._database.close()

    async def _answer(self, asked: _Asked) -> Answer | None:
        try:
            found, count = await self._look_up(asked)
            rate = await limits.admit_on_loop(count, "read")
        except limits.RateLimited as refusal:
            return _refused(refusal, asked)
        except (ApiError, psycopg.Error, Away, TimeoutError, OSError):
            return None
        if asked.root == MADE_AT and any(task.kind != VIDEO for task in found.tasks):
            return None  # which of them are shown there is the ordinary way's to say
        if asked.task_id is None:
            return _listed(found.tasks, asked, rate)
        return self._shown(found.tasks[0], asked, rate) if found.tasks else _refused(reading.not_found(), asked, rate.headers)

    def _shown(self, task: Task, asked: _Asked, rate: limits.RateState) -> Answer:
        now = clock.now()
        version = version_of_ended(task, now)
        etag = self._etags.get(version) if version else None
        if etag and is_one_of(asked.known, etag):
            return _not_modified(etag, asked, rate)
        body = JSONRenderer().render(show(task, now))
        etag = etag_of(body)
        if version:
            self._etags[version] = etag
        return _not_modified(etag, asked, rate) if is_one_of(asked.known, etag) else _rendered(body, etag, asked, rate)

    async def _look_up(self, asked: _Asked) -> tuple[reading.Found, rates.Count]:
        """The rows, of a secret that opens them from there, and what became of the call's count.

        Raises:
            ApiError: the secret opens nothing, or nothing from there. The ordinary way says what, and counts it as it does.
            psycopg.Error, TimeoutError: the database is away.
            Away: Redis is.
        """
        statement = reading.statement() if asked.task_id else reading.statement_of_newest()
        looked_up = self._database.ask(statement, reading.values(secret_hash=asked.secret_hash, of=asked.task_id or asked.limit + 1))
        count = await self._count_meanwhile(asked)
        rows = await looked_up
        if not rows:
            raise Unauthenticated("")
        found = reading.found(rows)
        self._seen.pop(asked.secret_hash, None)
        _check(found.secret, asked.address)
        self._seen[asked.secret_hash] = found.secret
        if count is None or not limits.is_counted_for(count, found.secret.key, "read"):
            count = await limits.count_on_loop(found.secret.key, "read", address=asked.address)
        return found, count

    async def _count_meanwhile(self, asked: _Asked) -> rates.Count | None:
        """Count the call by what was read of its key the last time, when that would have let it in."""
        seen = self._seen.get(asked.secret_hash)
        if seen is None:
            return None
        try:
            _check(seen, asked.address)
        except ApiError:
            return None
        return await limits.count_on_loop(seen.key, "read", address=asked.address)


def _check(secret: KeySecret, address: str) -> None:
    check_secret(secret)
    limits.check_address(secret.key, address)


def _refused(error: ApiError, asked: _Asked, rate: Mapping[str, str] | None = None) -> Answer:
    headers = [*header_lines({**(rate or {}), **error.headers}), _NOT_KEPT]
    return _with_body(error.status, headers, asked, JSONRenderer().render(envelope(error)))


def _listed(tasks: Sequence[Task], asked: _Asked, rate: limits.RateState) -> Answer:
    now = clock.now()
    body = JSONRenderer().render(page(tasks, asked.limit, lambda task: show(task, now), id_field="task_id"))
    return _with_body(200, [*header_lines(rate.headers), _NOT_KEPT], asked, body)


def _not_modified(etag: str, asked: _Asked, rate: limits.RateState) -> Answer:
    return Answer(304, [*header_lines({**rate.headers, "ETag": etag}), *_OF_A_TASK, *asked.here, length_of(b"")])


def _rendered(body: bytes, etag: str, asked: _Asked, rate: limits.RateState) -> Answer:
    return _with_body(200, [*header_lines({**rate.headers, "ETag": etag}), *_OF_A_TASK], asked, body)


def _with_body(status: int, headers: Headers, asked: _Asked, body: bytes) -> Answer:
    return Answer(status, [*headers, *asked.here, *_OF_JSON, length_of(body)], body)


def _asked(scope: Mapping[str, Any]) -> _Asked | None:
    """None of a request in which anything is unusual."""
    if scope["method"] not in ("GET", "HEAD"):
        return None
    root = ROOT if scope["path"].startswith(ROOT) else MADE_AT
    task_id = parse_task_id(scope["path"][len(root) + 1 :])
    limit = None if task_id else _limit_asked(scope)
    if (task_id is None and limit is None) or (found := usual(scope, _UNUSUAL)) is None:
        return None
    headers, secret = found
    return _Asked(
        secret_hash=hash_secret(secret),
        root=root,
        task_id=task_id,
        limit=limit or 0,
        known=headers.get(b"if-none-match", b"").decode("latin-1"),
        address=client_of(scope),
        request_id=request_id_of(headers.get(b"x-request-id", b"").decode("latin-1")),
    )


def _limit_asked(scope: Mapping[str, Any]) -> int | None:
    """How many of the newest tasks; None of other lists, which are asked for less often or keep the loop for longer."""
    if scope["path"] not in (ROOT, MADE_AT) or not (asked := _PAGE.fullmatch(scope["query_string"])):
        return None
    limit = int(asked["limit"] or LIMIT_DEFAULT)
    return limit if 1 <= limit <= LIST_MAX else None
