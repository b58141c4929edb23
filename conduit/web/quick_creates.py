"""Creating a video on the event loop: no thread, no REST framework, no ORM. Whatever is unusual goes the ordinary way.

What is asked, locked, counted, held and written is what the ordinary way does, by the same steps (videos.services.starting), and so is
every answer, to the byte (tests/web/test_quick_creates.py). A call that is not let in goes the ordinary way, which refuses it again;
from the moment that a call is counted it is answered here.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import psycopg
import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer

from conduit import clock
from conduit.api.callers import client_known
from conduit.api.errors import ApiError, classify, envelope
from conduit.api.idempotency import AnsweredBefore, Idempotency
from conduit.api.middleware import request_id_of
from conduit.api.parsers import parse_object
from conduit.api.policy import HEADER, NOTHING
from conduit.postgresql.shared_line import SharedLine
from conduit.postgresql.transactions import LoopTransactions
from conduit.statements import Steps
from conduit.streams.breaker import Away
from conduit.web.lines import lines_of_keys
from conduit.web.quick import Answer, header_lines, length_of, usual
from conduit.web.quick_reads import MADE_AT
from conduit.web.refusals import Application, client_of
from keys import knocks, limits
from keys.authentication import check_secret, name_of
from keys.locks import Moved
from keys.models import VirtualKey
from tasks.models import Task, TaskEvent
from tasks.notifications import audience
from tasks.notifications.audience import Audience
from tasks.pauses import refusing_new_work
from tasks.presentation import location
from videos import kept_catalogue
from videos.kept_catalogue import Catalogue, CatalogueState
from videos.presentation import show_whole
from videos.requests import GenerationRequest
from videos.services import keeping_answer, planned, quote, starting, tell_created

PATH = MADE_AT
_STATE = f"{audience.VERSION}, {kept_catalogue.state_columns('$2', 'k.id')}"
# With one of these a request has an origin, a session, or a second secret, on which other rules have a say, or a body without a length.
_UNUSUAL = frozenset({b"cookie", b"expect", b"origin", b"transfer-encoding", b"upgrade", b"x-api-key"})
_JSON = frozenset({b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"})
# What the ordinary way says of every create.
_HERE = [
    (b"Allow", b"GET, POST, HEAD, OPTIONS"),
    (b"Vary", b"origin"),
    (b"Cache-Control", b"private, no-store"),
    (b"Content-Type", b"application/json"),
    (HEADER.encode(), NOTHING.encode()),
]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request in which nothing is unusual says before its body."""

    secret: str
    idempotency_key: str | None


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was let in, and counted."""

    key: VirtualKey
    state: CatalogueState
    catalogue: Catalogue
    audience: Audience | None
    idempotency_key: str | None
    rate: limits.RateState
    refusal: ApiError | None  # no place in a limit: only what was done before is answered


Kept = TypeVar("Kept")


class Said(NamedTuple):
    """An answer, but for what every create is answered."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class QuickCreates:
    """Answers `POST /v1/video/generations`; gives `ordinary` what it does not."""

    def __init__(self, ordinary: Application) -> None:
        self._ordinary = ordinary
        self._asking = SharedLine()
        self._writing = LoopTransactions()
        self._reading = asyncio.Lock()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        began = time.perf_counter()
        asked = _asked(scope)
        if asked is None:
            await self._ordinary(scope, receive, send)
            return
        body = await _body(receive)
        if body is None:
            return
        request_id = request_id_of(dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1"))
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            if call := await self._let_in(scope, asked):
                # What has begun is finished even if the client has gone: it may have been committed.
                said = await asyncio.shield(asyncio.ensure_future(self._answer(call, body)))
                await _whole(said, call.rate).leave(scope, send, request_id=request_id, client=client_of(scope), began=began)
                return
        await self._ordinary(scope, _again(body, receive), send)

    async def close(self) -> None:
        """Give the database's connections back."""
        await self._asking.close()
        await self._writing.close()

    # ---- Who calls

    async def _let_in(self, scope: Mapping[str, Any], asked: Asked) -> Call | None:
        """None for whom the ordinary way shall answer."""
        try:
            rows = await self._asking.ask(*knocks.looking_for(asked.secret, _STATE, clock.now()))
            if not rows:
                return None
            secret, (heard_at, *state) = knocks.found(rows[0])
            check_secret(secret)
            address = client_of(scope)
            limits.check_address(secret.key, address)
            catalogue, hearing = await self._catalogue_of(state[0]), await self._audience_of(heard_at)
            refusal = None
            try:
                rate = await limits.count_call_on_loop(secret.key, "create", address=address)
            except limits.RateLimited as refused:
                rate, refusal = refused.rate, refused
        except (ApiError, psycopg.Error, DatabaseError, TimeoutError, Away):
            return None
        client_known(scope)
        return Call(secret.key, kept_catalogue.state_of(state), catalogue, hearing, asked.idempotency_key, rate, refusal)

    async def _catalogue_of(self, version: Any) -> Catalogue:
        return await self._at(version, kept_catalogue.kept, lambda: asyncio.to_thread(_read_catalogue, version))

    async def _audience_of(self, version: UUID | None) -> Audience | None:
        """None where there are no versions."""

        if version is None:
            return None

        async def read() -> Audience:
            return audience.keep(version, await self._asking.ask(audience.OWNERS, []))

        return await self._at(version, audience.kept, read)

    async def _at(self, version: Any, kept: Callable[[Any], Kept | None], read: Callable[[], Awaitable[Kept]]) -> Kept:
        """What is kept at that version; when it is to be read, one reads for all that wait."""
        if found := kept(version):
            return found
        async with self._reading:
            return kept(version) or await read()

    # ---- What is answered

    async def _answer(self, call: Call, body: bytes) -> Said:
        try:
            if call.idempotency_key is not None:
                return await self._once(call, call.idempotency_key, body)
            if call.refusal:
                raise call.refusal
            return await self._create(call, parse_object(body), None)
        except Exception as error:  # noqa: BLE001 - classify knows what each means, and logs what nobody foresaw
            refusal = classify(error)
            return Said(refusal.status, JSONRenderer().render(envelope(refusal)), refusal.headers)

    async def _once(self, call: Call, sent: str, body: bytes) -> Said:
        """As conduit.api.idempotency.idempotent does a view's method."""
        idempotency = Idempotency.of_call(owner=call.key.pk, path=PATH, sent=sent, body=lambda: parse_object(body))
        try:
            if call.refusal:
                raise call.refusal
            return await self._create(call, parse_object(body), idempotency)
        except AnsweredBefore as before:
            return _kept(idempotency.answer_again(before.kept))
        except (ApiError, APIException):
            # What was accepted stays accepted, whatever would refuse it by now: a model that is gone, a limit, a term.
            if kept := await self._writing.ask(idempotency.finding):
                return _kept(idempotency.answer_again(kept))
            raise

    async def _create(self, call: Call, data: dict[str, Any], idempotency: Idempotency | None) -> Said:
        wanted = GenerationRequest.parse(data)
        quoted = quote(wanted, key=call.key, catalogue=call.catalogue)
        if call.state.is_stopped:
            raise await self._writing.ask(refusing_new_work)
        task = planned(key=call.key, wanted=wanted, quoted=quoted, retry_of=None, lines=call.state.lines)
        async with lines_of_keys().turn(name_of(call.key)):
            event = await self._write(task, keeping_answer(idempotency), call.audience)
        tell_created(event)
        return _kept(idempotency.answer) if idempotency and idempotency.answer else _accepted(task)

    async def _write(self, task: Task, first: Callable[[Task], Steps[None]] | None, known: Audience | None) -> TaskEvent:
        """By what is known of a moment ago; where that has changed since, by what is asked once the key is locked."""
        try:
            return await self._writing.run(lambda: starting(task, first, audience=known))
        except Moved:
            return await self._writing.run(lambda: starting(task, first))


def _accepted(task: Task) -> Said:
    return Said(202, JSONRenderer().render(show_whole(task, clock.now())), location(task))


def _kept(answer: Mapping[str, Any]) -> Said:
    return Said(answer["status"], answer["body"].encode(), answer["headers"])


def _read_catalogue(version: Any) -> Catalogue:
    """In a thread."""
    try:
        return kept_catalogue.read(version)
    finally:
        connection.close()


def _whole(said: Said, rate: limits.RateState) -> Answer:
    """With how the call stands to its limit, where that is not said already."""
    given = {name.lower() for name in said.headers}
    standing = {name: value for name, value in rate.headers.items() if name.lower() not in given}
    return Answer(said.status, [*header_lines(said.headers), *header_lines(standing), *_HERE, length_of(said.body)], said.body)


def _asked(scope: Mapping[str, Any]) -> Asked | None:
    if scope["method"] != "POST" or (found := usual(scope, _UNUSUAL)) is None:
        return None
    headers, secret = found
    length = headers.get(b"content-length", b"")
    if not length.isdigit() or not 0 < int(length) <= settings.MAX_BODY_BYTES or headers.get(b"content-type", b"").lower() not in _JSON:
        return None
    sent = headers.get(b"idempotency-key")
    return Asked(secret, None if sent is None else sent.decode("latin-1"))


async def _body(receive: Any) -> bytes | None:
    """The whole of it; None when the client has gone."""
    pieces = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(pieces)


def _again(body: bytes, receive: Any) -> Any:
    """A `receive` that gives the body once more."""
    given = False

    async def again() -> Any:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
