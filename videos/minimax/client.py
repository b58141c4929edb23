"""MiniMax's V1 API for video: create a job, ask how it goes, find its file, fetch it. Every failure is a MiniMaxError."""

import functools
import json
import logging
import re
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Never
from urllib.parse import urlsplit

import requests
import structlog

from videos.minimax import errors
from videos.minimax.download import VideoStream, open_video
from videos.minimax.errors import Cause, MiniMaxError, Outcome
from videos.minimax.transport import FAULTS, Exchange, Session

log = structlog.get_logger(__name__)

# Answers are a few hundred bytes; what is far longer is not MiniMax's.
ANSWER_BYTES_MAX = 1024**2
# What a database column and a URL can hold; anything else is no answer.
LARGEST_NUMBER = 2**63 - 1
_LINK = re.compile(r"https?://[!-~]{1,4000}", re.IGNORECASE)
# As many as the worker has threads by default and more, so that no thread's connection is thrown away after each call.
POOLED_CONNECTIONS = 64


class Phase(Enum):
    PREPARING = "preparing"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


_PHASES = {
    "preparing": Phase.PREPARING,
    "queueing": Phase.QUEUED,
    "processing": Phase.RUNNING,
    "success": Phase.SUCCEEDED,
    "fail": Phase.FAILED,
    "failed": Phase.FAILED,
}


@dataclass(frozen=True)
class JobState:
    """Where a job stands. `file_id` once it succeeded, `error` when it failed; sizes in pixels, None while unknown."""

    phase: Phase
    file_id: str | None = None
    width: int | None = None
    height: int | None = None
    error: MiniMaxError | None = None


@dataclass(frozen=True)
class RemoteFile:
    """Where a finished clip can be fetched for an hour or more, and its size in bytes where MiniMax says it."""

    url: str
    backup_url: str | None
    size: int | None


@dataclass(frozen=True)
class _Answer:
    """What came back: `code` is None when the body holds no usable base_resp."""

    call: str
    http: int
    body: Mapping[str, object]
    code: int | None
    status_msg: str
    trace_id: str | None

    @property
    def creating(self) -> bool:
        return self.call == "create"

    @property
    def believable(self) -> bool:
        """Whether the body is MiniMax's word; a gateway's error page may be JSON too."""
        return self.code is not None or 200 <= self.http < 300


class MiniMaxV1:
    """One account at one MiniMax host. Threads may share it.

    `read_seconds` limits the longest silence and a whole API answer alike; `download_seconds` a whole download.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        connect_seconds: float,
        read_seconds: float,
        download_seconds: float,
        max_clip_bytes: int,
    ) -> None:
        # Operators paste the address as some client libraries want it, with /v1.
        self._base_url = base_url.strip().rstrip("/").removesuffix("/v1")
        self._api_key = api_key.strip()
        self._connect_seconds = connect_seconds
        self._read_seconds = read_seconds
        self._download_seconds = download_seconds
        self._max_clip_bytes = max_clip_bytes
        self._session = Session(connections=POOLED_CONNECTIONS)

    def create(
        self,
        model: str,
        prompt: str,
        *,
        duration: int | None = None,
        resolution: str | None = None,
        first_frame_image: str | None = None,
        prompt_optimizer: bool | None = None,
    ) -> str:
        """Post one job, and return MiniMax's id of it. `duration` in seconds; what is None is left out.

        MiniMaxError with Outcome.UNKNOWN when the job may have been accepted: posting it again may pay twice.
        """
        optional = {
            "duration": duration,
            "resolution": resolution,
            "first_frame_image": first_frame_image,
            "prompt_optimizer": prompt_optimizer,
        }
        fields = {"model": model, "prompt": prompt} | {name: value for name, value in optional.items() if value is not None}
        # A pooled connection may be closed by the server at the moment it is used, and leave a paid job's fate unknown.
        with Session(connections=1) as fresh:
            answer = self._call("create", "POST", "/v1/video_generation", session=fresh, fields=fields)
        self._raise_for_code(answer)
        return _identifier(answer.body.get("task_id")) or self._useless(answer)

    def query(self, task_id: str) -> JobState:
        """How a job stands. A job that MiniMax failed is a value; MiniMaxError is a failure of the call itself."""
        answer = self._call("query", "GET", "/v1/query/video_generation", session=self._session, params={"task_id": task_id})
        status = answer.body.get("status") if answer.believable else None
        phase = _PHASES.get(status.strip().casefold(), Phase.RUNNING) if isinstance(status, str) else None
        if phase is Phase.FAILED or errors.is_content_verdict(answer.code):
            return JobState(Phase.FAILED, error=self._error(errors.cause_of_job(answer.code), answer))
        self._raise_for_code(answer)
        file_id = _identifier(answer.body.get("file_id"))
        if phase is None or (phase is Phase.SUCCEEDED and file_id is None):
            self._useless(answer)
        return JobState(phase, file_id, _positive(answer.body.get("video_width")), _positive(answer.body.get("video_height")))

    def locate(self, file_id: str) -> RemoteFile:
        """A fresh link to a finished clip."""
        answer = self._call("retrieve", "GET", "/v1/files/retrieve", session=self._session, params={"file_id": file_id})
        self._raise_for_code(answer)
        file = answer.body.get("file")
        facts = file if isinstance(file, dict) else {}
        url = _link(facts.get("download_url")) or self._useless(answer)
        return RemoteFile(url, _link(facts.get("backup_download_url")), _positive(facts.get("bytes")))

    def download(self, url: str, *, expected_size: int | None) -> AbstractContextManager[VideoStream]:
        """Open a clip as a file that storages can save; see `open_video`. `expected_size` in bytes."""
        exchange = Exchange(idle_seconds=self._read_seconds, total_seconds=self._download_seconds)
        return open_video(
            self._session,
            url,
            exchange=exchange,
            connect_seconds=self._connect_seconds,
            expected_size=expected_size,
            max_bytes=self._max_clip_bytes,
        )

    def _call(
        self,
        call: str,
        method: str,
        path: str,
        *,
        session: Session,
        params: Mapping[str, str] | None = None,
        fields: Mapping[str, object] | None = None,
    ) -> _Answer:
        exchange = Exchange(idle_seconds=self._read_seconds, total_seconds=self._read_seconds)
        started = time.monotonic()
        try:
            with session.exchange(
                exchange,
                method,
                self._base_url + path,
                connect_seconds=self._connect_seconds,
                # As bytes: a key that was pasted with a stray character is MiniMax's to refuse.
                headers={"Authorization": f"Bearer {self._api_key}".encode(), "Accept": "application/json"},
                params=params,
                json=fields,
            ) as response:
                body = _read(response)
        except FAULTS as fault:
            cause = _cause_of_fault(fault, exchange, creating=call == "create")
            log.warning("minimax_unanswered", call=call, ms=_ms_since(started), fault=type(fault).__name__, outcome=cause.outcome.value)
            # Without the fault: its text holds addresses with their queries.
            raise MiniMaxError(*cause) from None
        answer = _parse(call, response, body)
        facts = {"http": answer.http, "provider_code": answer.code, "trace_id": answer.trace_id}
        log.info("minimax_call", call=call, ms=_ms_since(started), **facts)
        return answer

    def _raise_for_code(self, answer: _Answer) -> None:
        if answer.code:
            raise self._error(errors.cause_of_code(answer.code, creating=answer.creating), answer)
        if not answer.believable:
            raise self._error(errors.cause_of_http(answer.http, creating=answer.creating), answer)

    def _useless(self, answer: _Answer) -> Never:
        """For an answer that lacks what it was asked for."""
        if not 200 <= answer.http < 300:
            raise self._error(errors.cause_of_http(answer.http, creating=answer.creating), answer)
        raise self._error(errors.MAYBE_ACCEPTED if answer.creating else errors.NONSENSE, answer)

    def _error(self, cause: Cause, answer: _Answer) -> MiniMaxError:
        log.log(
            _level(cause),
            "minimax_refused",
            call=answer.call,
            http=answer.http,
            provider_code=answer.code,
            status_msg=answer.status_msg.replace(self._api_key or "\0", "***")[:300],
            trace_id=answer.trace_id,
            outcome=cause.outcome.value,
            error_code=cause.code,
            host=urlsplit(self._base_url).hostname,
        )
        return MiniMaxError(*cause, provider_code=answer.code, trace_id=answer.trace_id)


def _read(response: requests.Response) -> bytes:
    """The body, or as much of it as an answer may have: what was cut there is no JSON any more."""
    return response.raw.read(ANSWER_BYTES_MAX, decode_content=True)


def _parse(call: str, response: requests.Response, body: bytes) -> _Answer:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    fields = parsed if isinstance(parsed, dict) else {}
    base = fields.get("base_resp")
    base_resp = base if isinstance(base, dict) else {}
    trace_id = response.headers.get("Trace-Id")
    return _Answer(
        call=call,
        http=response.status_code,
        body=fields,
        code=_whole(base_resp.get("status_code")),
        status_msg=str(base_resp.get("status_msg") or ""),
        trace_id=trace_id[:128] if trace_id else None,
    )


def _cause_of_fault(fault: Exception, exchange: Exchange, *, creating: bool) -> Cause:
    if exchange.sent:
        return errors.MAYBE_ACCEPTED if creating else errors.UNANSWERED
    return errors.WRONG_ADDRESS if isinstance(fault, ValueError) else errors.UNREACHABLE


def _level(cause: Cause) -> int:
    return logging.ERROR if cause.outcome is Outcome.OPERATOR else logging.WARNING


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def _whole(value: object) -> int | None:
    """A whole number that may have come as a string."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]{1,9}\s*", value) else None


def _positive(value: object) -> int | None:
    """A size; MiniMax says 0 for one that it does not know."""
    number = _whole(value)
    return number if number and 0 < number <= LARGEST_NUMBER else None


def _identifier(value: object) -> str | None:
    """An id as text, None for the empty ones of a job that has no file yet. Real ids are 15 to 18 digits."""
    text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return text if text != "0" and re.fullmatch(r"[!-~]{1,64}", text) else None


def _link(value: object) -> str | None:
    return value if isinstance(value, str) and _LINK.fullmatch(value) else None


def client_from_settings() -> MiniMaxV1:
    """The one client of this process for the account that the settings name."""
    from django.conf import settings

    return _client(
        settings.MINIMAX_BASE_URL,
        settings.MINIMAX_API_KEY,
        settings.MINIMAX_CONNECT_SECONDS,
        settings.MINIMAX_READ_SECONDS,
        settings.MINIMAX_DOWNLOAD_SECONDS,
        settings.MAX_CLIP_BYTES,
    )


@functools.cache
def _client(
    base_url: str, api_key: str, connect_seconds: float, read_seconds: float, download_seconds: float, max_clip_bytes: int
) -> MiniMaxV1:
    return MiniMaxV1(base_url, api_key, connect_seconds, read_seconds, download_seconds, max_clip_bytes)
