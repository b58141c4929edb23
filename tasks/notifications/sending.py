"""One call of one receiver. Nothing here knows the database."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

import requests
import structlog
from django.conf import settings
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.exceptions import SSLError as Urllib3SSLError

from conduit import clock
from conduit.logs import without_secrets
from conduit.outbound.addresses import Allowed
from conduit.outbound.guard import AddressRefused
from conduit.outbound.transport import FAULTS, Exchange, Session
from conduit.outbound.urls import fault_of
from tasks.notifications import signing
from tasks.notifications.models import HEAD_CHARACTERS

log = structlog.get_logger(__name__)

# Of a try, in seconds: to find the name and connect, and as long again for TLS; and all of it.
CONNECT_SECONDS, TRY_SECONDS = 4.0, 10.0
# Of an answer's body that is read.
ANSWER_BYTES = 64 * 1024
GONE = 410
# A receiver may ask for less haste, and for no more than this.
RETRY_AFTER_MOST = 24 * 3600.0
USER_AGENT = "Conduit-Webhooks/1"
_REDIRECTED = "It answered with a redirect, which is not followed: the address must be the one that answers."


@dataclass(frozen=True)
class Parcel:
    """What is sent where, ready but for the moment of the try."""

    message_id: str
    url: str
    body: bytes
    signing_secrets: Sequence[str]


@dataclass(frozen=True)
class Outcome:
    """What came of a try."""

    began_at: datetime
    seconds: float
    status_code: int | None = None
    problem: str = ""  # a sentence; empty: it arrived
    head: str = ""
    retry_after: float | None = None  # seconds
    is_final: bool = False  # no other try can do better
    is_ours: bool = False  # it was not called, and nothing that it does would change that

    @property
    def arrived(self) -> bool:
        return not self.problem

    @property
    def is_gone(self) -> bool:
        return self.status_code == GONE


def schemes() -> tuple[str, ...]:
    """How webhooks may be sent."""
    return ("https", "http") if settings.OUTBOUND_HTTP else ("https",)


def fault_of_url(url: str) -> str | None:
    """What is wrong with it as the address of a webhook, as the end of a sentence; None: nothing that is known before it is called."""
    return fault_of(url, allowed=settings.OUTBOUND_ALLOWED, schemes=schemes())


def send(parcel: Parcel) -> Outcome:
    """Sign, call and read. It never raises for what a receiver does."""
    began_at, began = clock.now(), time.monotonic()
    headers = signing.headers(parcel.message_id, began_at, parcel.body, parcel.signing_secrets)
    try:
        status, head, retry_after = _exchange(parcel, headers, began + TRY_SECONDS)
    except FAULTS as error:
        problem = _why(error)
        # Of an address only what is said of hosts: its path or query may be all the authorization that its owner asks for.
        why = str(error) if isinstance(error, AddressRefused) else type(error).__name__
        log.info("webhook not delivered", message_id=parcel.message_id, problem=problem, error=without_secrets(why))
        return Outcome(began_at, time.monotonic() - began, problem=problem)
    return Outcome(began_at, time.monotonic() - began, status, _problem_of(status), head, _seconds_of(retry_after, began_at))


def _exchange(parcel: Parcel, headers: Mapping[str, str], deadline: float) -> tuple[int, str, str]:
    if fault := fault_of_url(parcel.url):
        raise AddressRefused(fault)  # it was good when it was given, and the settings have changed
    exchange = Exchange(idle_seconds=TRY_SECONDS, total_seconds=TRY_SECONDS, deadline=deadline)
    session = _session(settings.OUTBOUND_ALLOWED, schemes())
    sent = {"Content-Type": "application/json", "User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    # Each try looks the name up anew, and checks what it finds.
    sent |= {"Connection": "close"}
    answer = session.exchange(exchange, "POST", parcel.url, connect_seconds=CONNECT_SECONDS, headers={**sent, **headers}, body=parcel.body)
    try:
        return answer.status_code, _head_of(answer), answer.headers.get("Retry-After", "")
    finally:
        answer.close()


@lru_cache(4)
def _session(allowed: Allowed, schemes: tuple[str, ...]) -> Session:
    return Session(connections=16, allowed=allowed, schemes=schemes)


def _head_of(answer: requests.Response) -> str:
    """How the body begins. A status that was heard counts, whatever becomes of the body after it."""
    try:
        body = answer.raw.read(ANSWER_BYTES, decode_content=False)
    except FAULTS:
        return ""
    text = body[: 4 * HEAD_CHARACTERS].decode("utf-8", "replace")
    return without_secrets("".join(character if character.isprintable() else " " for character in text))[:HEAD_CHARACTERS].strip()


def _problem_of(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return _REDIRECTED
    if status == GONE:
        return "It answered 410: nothing is there any more."
    return f"It answered {status}."


def _why(error: BaseException) -> str:
    """In words for the endpoint's owner: nothing of where a name leads inside."""
    chain = [error, *(cause for cause in (getattr(error, "__cause__", None), getattr(error, "__context__", None)) if cause)]
    chain += [reason for found in list(chain) if (reason := _reason_of(found))]
    for found in chain:
        match found:
            case AddressRefused():
                return "It leads to an address that may not be called from here."
            case NameResolutionError():
                return "Its name was not found."
            case Urllib3SSLError() | requests.exceptions.SSLError():
                return "No secure connection: its certificate is not valid for that name, or it speaks no TLS."
            case NewConnectionError():
                return "It takes no connections."
            case ConnectTimeoutError() | requests.exceptions.ConnectTimeout():
                return f"It took no connection within {CONNECT_SECONDS:g} seconds."
            case TimeoutError() | requests.exceptions.Timeout():
                return f"It did not answer within {TRY_SECONDS:g} seconds."
    return "The connection broke before it had answered."


def _reason_of(error: BaseException) -> BaseException | None:
    """What urllib3 says under the error of requests."""
    inner = error.args[0] if error.args else None
    reason = getattr(inner, "reason", inner)
    return reason if isinstance(reason, BaseException) else None


def _seconds_of(retry_after: str, now: datetime) -> float | None:
    """Of a Retry-After header: seconds, or a date."""
    text = retry_after.strip()
    try:
        seconds = float(int(text)) if text.isascii() and text.isdigit() and len(text) < 10 else _until(text, now)
    except (ValueError, TypeError, OverflowError):
        return None
    return None if seconds is None else min(max(0.0, seconds), RETRY_AFTER_MOST)


def _until(text: str, now: datetime) -> float | None:
    if not text:
        return None
    moment = parsedate_to_datetime(text)
    return (moment - now).total_seconds() if moment.tzinfo else None
