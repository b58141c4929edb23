"""`Idempotency-Key`: a call that is sent again is answered again, and done once.

The claim is a row that is written in the transaction of what the call does, first of all, and given its answer last of
all. So a call is done and answered, or nothing of it is left; and a second one that comes meanwhile waits at the
database, which knows when the first has ended, however it ended.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import Any

from django.db import connection
from django.db.utils import OperationalError
from django.http import HttpResponse, HttpResponseBase
from django.utils import timezone
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from conduit.api.errors import ApiError, Conflict, InvalidRequest
from conduit.api.models import KeptAnswer, KeptAnswerQuerySet

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEPT = timedelta(hours=24)
# How long a call waits for one with the same key that is still at work, and when to come back after that, in seconds.
WAIT_SECONDS = 5
RETRY_SECONDS = 1
# A process that hangs in the middle of a call, or whose host is gone, loses its claim after this, in seconds.
LAPSE_SECONDS = 30

_WELL_FORMED = re.compile(r"[!-~]{1,255}")
_LOCK_NOT_AVAILABLE = "55P03"
# One statement for a new call and for one that expired: the row is ours, or it was answered. {bounds} is a table of one row.
_CLAIM = f"""
INSERT INTO {KeptAnswer._meta.db_table} (owner, call_hash, body_hash, expires_at)
SELECT %s, %s, %s, %s FROM ({{bounds}}) AS bounds WHERE true
ON CONFLICT (owner, call_hash) DO UPDATE SET body_hash = excluded.body_hash, expires_at = excluded.expires_at, answer = NULL
WHERE {KeptAnswer._meta.db_table}.answer IS NULL OR {KeptAnswer._meta.db_table}.expires_at <= %s
"""  # noqa: S608 - the table's name is ours


class AnsweredBefore(Exception):
    """This call was made before."""

    def __init__(self, kept: KeptAnswer) -> None:
        super().__init__(kept)
        self.kept = kept


@dataclass
class Idempotency:
    """One call with an Idempotency-Key. Both methods belong inside the transaction of what the call does."""

    owner: int
    call_hash: str
    body_hash: str
    answer: dict[str, Any] | None = None

    @classmethod
    def of(cls, request: Request) -> "Idempotency | None":
        """What the request's header asks for; None without one.

        Raises:
            InvalidRequest: the header is not 1 to 255 visible ASCII characters.
        """
        sent = request.headers.get(HEADER)
        if sent is None:
            return None
        if not _WELL_FORMED.fullmatch(sent):
            raise InvalidRequest(f"`{HEADER}` must be 1 to 255 visible ASCII characters, such as a UUID.", param=HEADER)
        # Neither spaces nor the order of names make another body.
        body = json.dumps(request.data, sort_keys=True, separators=(",", ":"))
        return cls(owner=request.auth.pk, call_hash=_sha256(f"{request.path}\n{sent}"), body_hash=_sha256(body))

    def claim(self) -> None:
        """Take this call, before anything else is written.

        Raises:
            AnsweredBefore: it was made within the last 24 hours.
            Conflict: it is still at work after WAIT_SECONDS.
        """
        now = timezone.now()
        moment, end = (connection.ops.adapt_datetimefield_value(value) for value in (now, now + KEPT))
        try:
            with connection.cursor() as cursor:
                cursor.execute(_CLAIM.format(bounds=_bounds()), [self.owner, self.call_hash, self.body_hash, end, moment])
                claimed = cursor.rowcount
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            raise Conflict(
                f"The first call with this `{HEADER}` is still at work. Send the same again in a moment: it will get that call's answer.",
                code="idempotency_conflict",
                param=HEADER,
                headers={"Retry-After": str(RETRY_SECONDS)},
            ) from error
        if not claimed:
            raise AnsweredBefore(self._rows().get())

    def store(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        """Keep the call's answer for 24 hours, after everything else was written."""
        self.answer = {"status": status, "headers": dict(headers), "body": JSONRenderer().render(body).decode()}
        self._rows().update(answer=self.answer)

    def kept(self) -> KeptAnswer | None:
        """How this call was answered before, if it was."""
        return self._rows().given(timezone.now()).first()

    def _rows(self) -> KeptAnswerQuerySet:
        return KeptAnswer.objects.filter(owner=self.owner, call_hash=self.call_hash)


def idempotent(post: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A view's method that is given its call's `idempotency` (None without the header) and is done once for each."""

    @wraps(post)
    def once(view: Any, request: Request, **named: Any) -> HttpResponseBase:
        idempotency = Idempotency.of(request)
        if idempotency is None:
            return post(view, request, idempotency=None, **named)
        try:
            response = post(view, request, idempotency=idempotency, **named)
        except AnsweredBefore as before:
            return _replayed(before.kept, idempotency)
        except (ApiError, APIException):
            # What was accepted stays accepted, whatever would refuse it by now: a model that is gone, a limit, a term.
            if kept := idempotency.kept():
                return _replayed(kept, idempotency)
            raise
        # The very bytes that a second call will get; a method that stored nothing did nothing to keep.
        return _response(idempotency.answer) if idempotency.answer else response

    return once


def _replayed(kept: KeptAnswer, idempotency: Idempotency) -> HttpResponse:
    if kept.body_hash != idempotency.body_hash:
        raise Conflict(
            f"This `{HEADER}` was sent before with another body. Use a new one for each new request; it may be used anew 24 hours after.",
            code="idempotency_conflict",
            param=HEADER,
        )
    response = _response(kept.answer)
    response[REPLAYED] = "true"
    return response


def _response(answer: Any) -> HttpResponse:
    """What `store` kept, sent."""
    return HttpResponse(answer["body"], status=answer["status"], headers=answer["headers"], content_type="application/json")


def _bounds() -> str:
    """Sets how long this transaction may wait, its later locks included, and how long it may stand still."""
    if connection.vendor != "postgresql":
        return "SELECT 1"  # SQLite: the transaction as a whole waited for its turn, and who is gone holds nothing
    return (
        f"SELECT set_config('lock_timeout', '{WAIT_SECONDS}s', true),"
        f" set_config('idle_in_transaction_session_timeout', '{LAPSE_SECONDS}s', true)"
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def forget_expired() -> None:
    """Remove the answers that no call gets any more."""
    KeptAnswer.objects.expired(timezone.now()).delete()
