"""What MiniMax's APIs share: one call, its answer read with care, and its failure classified."""

import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Never
from urllib.parse import urlencode, urlsplit

import structlog

from conduit.outbound.addresses import Allowed
from conduit.outbound.guard import AddressRefused
from conduit.outbound.transport import FAULTS, Exchange, Session
from videos.minimax import errors, exchanges, reading
from videos.minimax.download import Download, open_link
from videos.minimax.errors import CallRefused, Cause, MiniMaxError, Outcome

log = structlog.get_logger(__name__)

# Answers are a few hundred bytes; what is far longer is not MiniMax's. Lists and images in base64 say so.
ANSWER_BYTES_MAX = 1024**2
# Calls that MiniMax bills: their answer may be lost although they were accepted.
BILLED = frozenset({"create", "image"})
# How V2 may answer to what a request holds.
_VERDICTS = frozenset({400, 422})
# What a database's whole number can hold.
_CODE_MAX = 2**31 - 1


@dataclass(frozen=True)
class Answer:
    """What came back: `code` is None when the body holds neither base_resp nor V2's error."""

    call: str
    http: int
    body: Mapping[str, object]
    code: int | None
    message: str
    is_error: bool  # V2's {"type": "error", "error": {…}}
    trace_id: str | None
    text: str  # the beginning of a body that is no object

    @property
    def creating(self) -> bool:
        return self.call in BILLED

    @property
    def believable(self) -> bool:
        """Whether the body is MiniMax's word; a gateway's error page may be JSON too."""
        return self.code is not None or self.is_error or 200 <= self.http < 300


@dataclass(frozen=True)
class CallLimits:
    """`read_seconds` limits the longest silence and a whole API answer alike; `download_seconds` a whole download.

    `connections`: that are kept open; with fewer than there are threads some would be thrown away after each call.
    """

    connect_seconds: float
    read_seconds: float
    download_seconds: float
    connections: int = 64


class Client:
    """Calls to one account at one MiniMax host. Threads may share it.

    The host, and whatever MiniMax's links lead to, is public or `allowed`; links are https where the API is.
    """

    def __init__(self, base_url: str, api_key: str, limits: CallLimits, allowed: Allowed) -> None:
        # Operators paste the address as some client libraries want it, with /v1.
        self._base_url = re.sub(r"/v[12]$", "", base_url.strip().rstrip("/"))
        self._api_key = api_key.strip()
        self.limits = limits
        self._allowed = allowed
        self._session = self._new_session(connections=limits.connections)

    def _new_session(self, *, connections: int) -> Session:
        schemes = {"https"} if self._base_url.lower().startswith("https:") else {"http", "https"}
        return Session(connections=connections, allowed=self._allowed, schemes=schemes)

    def call(
        self,
        call: str,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        fields: Mapping[str, object] | None = None,
        bytes_max: int = ANSWER_BYTES_MAX,
    ) -> Answer:
        """Send, and read the answer, whatever it says. MiniMaxError when none came."""
        if call not in BILLED:
            return self._exchange(self._session, call, method, path, params, fields, bytes_max)
        # A pooled connection may be closed by the server at the moment it is used, and leave a paid job's fate unknown.
        with self._new_session(connections=1) as fresh:
            return self._exchange(fresh, call, method, path, params, fields, bytes_max)

    def accept(self, answer: Answer) -> Answer:
        """The answer, unless it is an error."""
        if answer.code:
            raise self.error(errors.cause_of_code(answer.code, creating=answer.creating), answer)
        if answer.is_error or not answer.believable:
            raise self.error(errors.cause_of_http(answer.http, creating=answer.creating), answer)
        return answer

    def useless(self, answer: Answer) -> Never:
        """For an answer that lacks what it was asked for."""
        if not 200 <= answer.http < 300:
            raise self.error(errors.cause_of_http(answer.http, creating=answer.creating), answer)
        raise self.error(errors.MAYBE_ACCEPTED if answer.creating else errors.NONSENSE, answer)

    def error(self, cause: Cause, answer: Answer) -> MiniMaxError:
        """The error of that cause, told to the log."""
        log.log(
            logging.ERROR if cause.outcome is Outcome.OPERATOR else logging.WARNING,
            "minimax_refused",
            call=answer.call,
            http=answer.http,
            provider_code=answer.code,
            # It may repeat what was sent.
            status_msg=self._plain(answer.message),
            trace_id=answer.trace_id,
            outcome=cause.outcome.value,
            error_code=cause.code,
            host=urlsplit(self._base_url).hostname,
        )
        said = self._plain(answer.message)
        return MiniMaxError(*cause, provider_code=answer.code, trace_id=answer.trace_id, said=said)

    def open(
        self, url: str, *, is_right: Callable[[bytes], bool], expected_size: int | None, max_bytes: int
    ) -> AbstractContextManager[Download]:
        """Open what lies behind a link of MiniMax's; see `open_link`. Sizes in bytes."""
        return open_link(
            self._session,
            url,
            is_right=is_right,
            exchange=Exchange(idle_seconds=self.limits.read_seconds, total_seconds=self.limits.download_seconds),
            connect_seconds=self.limits.connect_seconds,
            expected_size=expected_size,
            max_bytes=max_bytes,
        )

    def _exchange(
        self,
        session: Session,
        call: str,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        fields: Mapping[str, object] | None,
        bytes_max: int,
    ) -> Answer:
        exchange = Exchange(idle_seconds=self.limits.read_seconds, total_seconds=self.limits.read_seconds)
        place = path + (f"?{urlencode(params)}" if params else "")
        started = time.monotonic()
        # As bytes: a key that was pasted with a stray character is MiniMax's to refuse.
        headers: dict[str, str | bytes] = {"Authorization": f"Bearer {self._api_key}".encode(), "Accept": "application/json"}
        url, connect = self._base_url + place, self.limits.connect_seconds
        try:
            # What is cut off at the limit is no JSON any more.
            if method == "GET":
                with session.ask(exchange, url, connect_seconds=connect, headers=headers) as answered:
                    http, trace_id, body = answered.status, answered.headers.get("Trace-Id"), answered.read(bytes_max, decode_content=True)
            else:
                with session.exchange(exchange, method, url, connect_seconds=connect, headers=headers, json=fields) as response:
                    http, trace_id = response.status_code, response.headers.get("Trace-Id")
                    body = response.raw.read(bytes_max, decode_content=True)
        except AddressRefused as refused:
            host = urlsplit(self._base_url).hostname or ""
            log.error("minimax_address_refused", call=call, host=host, why=str(refused))
            self._tell_silence(call, method, place, fields, started, self._plain(f"not called: {refused}"))
            raise CallRefused(errors.WRONG_ADDRESS, host=host, why=str(refused)) from None
        except FAULTS as fault:
            cause = _cause_of_fault(fault, exchange, creating=call in BILLED)
            facts = {"fault": type(fault).__name__, "outcome": cause.outcome.value}
            log.warning("minimax_unanswered", call=call, ms=exchanges.ms_since(started), **facts)
            self._tell_silence(call, method, place, fields, started, type(fault).__name__)
            # Without the fault: its text holds addresses with their queries.
            raise MiniMaxError(*cause) from None
        answer = _parse(call, http, trace_id, body)
        # Of questions one line each would be most of the log.
        log.log(
            logging.DEBUG if call == "query" else logging.INFO,
            "minimax_call",
            call=call,
            ms=exchanges.ms_since(started),
            http=answer.http,
            provider_code=answer.code,
            trace_id=answer.trace_id,
        )
        self._tell_answer(answer, method, place, fields, started)
        return answer

    def _tell_answer(self, answer: Answer, method: str, path: str, fields: Mapping[str, object] | None, started: float) -> None:
        def words() -> exchanges.Words:
            status = reading.status(answer.body.get("status")) or reading.status(reading.mapping(answer.body.get("task")).get("status"))
            return exchanges.Words(
                message=self._plain(answer.message),
                status=self._plain(status or "", exchanges.WORD_MAX),
                trace_id=self._plain(answer.trace_id or "", exchanges.TRACE_MAX),
                request=exchanges.body(fields, secret=self._api_key),
                answer=exchanges.body(answer.body or answer.text, secret=self._api_key),
            )

        self._tell(
            answer.call,
            method,
            path,
            started,
            words,
            http=answer.http,
            code=answer.code if answer.code is not None and abs(answer.code) <= _CODE_MAX else None,
            is_error=bool(answer.code) or answer.is_error or not 200 <= answer.http < 300,
        )

    def _tell_silence(self, call: str, method: str, path: str, fields: Mapping[str, object] | None, started: float, why: str) -> None:
        """That no answer came."""
        self._tell(call, method, path, started, lambda: exchanges.Words(message=why, request=exchanges.body(fields, secret=self._api_key)))

    def _tell(self, call: str, method: str, path: str, started: float, words: Callable[[], exchanges.Words], **answered: Any) -> None:
        exchanges.tell(
            exchanges.Exchange(
                call=call,
                method=method,
                path=path[: exchanges.PATH_MAX],
                milliseconds=exchanges.ms_since(started),
                ended_at=time.monotonic(),
                upstream=exchanges.upstream(),
                later=words,
                **answered,
            )
        )

    def _plain(self, text: str, most: int = exchanges.TEXT_MAX) -> str:
        """What MiniMax said, which may repeat what was sent."""
        return exchanges.plain(text, most, secret=self._api_key)


def _parse(call: str, http: int, trace_id: str | None, body: bytes) -> Answer:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    fields = reading.mapping(parsed)
    base_resp = reading.mapping(fields.get("base_resp"))
    code, message = reading.whole(base_resp.get("status_code")), str(base_resp.get("status_msg") or "")
    error = reading.mapping(fields.get("error")) if fields.get("type") == "error" else {}
    if error:
        kind, words = str(error.get("type") or ""), str(error.get("message") or "")
        code, message = code or _code_of(http, kind, words), message or f"{kind}: {words}"
    trace_id = trace_id or reading.identifier(fields.get("request_id"))
    return Answer(
        call=call,
        http=http,
        body=fields,
        code=code,
        message=message,
        is_error=bool(error),
        trace_id=trace_id[:128] if trace_id else None,
        text="" if fields else body[: exchanges.TEXT_MAX].decode(errors="replace"),
    )


def _code_of(http: int, kind: str, words: str) -> int | None:
    """The status code that V2's error means although it has none of its own."""
    return errors.code_in_words(words) or (errors.content_code(f"{kind} {words}") if http in _VERDICTS else None)


def _cause_of_fault(fault: Exception, exchange: Exchange, *, creating: bool) -> Cause:
    if exchange.sent:
        return errors.MAYBE_ACCEPTED if creating else errors.UNANSWERED
    return errors.WRONG_ADDRESS if isinstance(fault, ValueError) else errors.UNREACHABLE
