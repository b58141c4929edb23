"""`Idempotency-Key`: a call that is sent again is answered again, and done once.

The claim is a row that is written in the transaction of what the call does, first of all. So a call is done and answered,
or nothing of it is left; and a second one that comes meanwhile waits at the database, which knows when the first has ended,
however it ended.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import Any
from uuid import UUID

from django.db.utils import OperationalError
from django.http import HttpResponse, HttpResponseBase
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from conduit import batches, clock, statements
from conduit.api.errors import LOCK_NOT_AVAILABLE, ApiError, Conflict, InvalidRequest, sqlstate
from conduit.api.models import KeptAnswer, KeptAnswerQuerySet, OwnerKind
from conduit.api.views import ApiView
from conduit.statements import Columns, Statement, Steps

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEPT = timedelta(hours=24)
# When to come back after waiting in vain for a call with the same key that is still at work, in seconds.
RETRY_SECONDS = 1

_ID_CHARACTERS = 36  # of a UUID with its hyphens
_WELL_FORMED = re.compile(r"[!-~]{1,255}")
# One statement for a new call and for one that expired: the row is ours, or it was answered.
_CLAIM = f"""
INSERT INTO {KeptAnswer._meta.db_table} (owner, owner_kind, call_hash, body_hash, expires_at, answer, subject)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (owner, call_hash) DO UPDATE SET owner_kind = excluded.owner_kind, body_hash = excluded.body_hash,
expires_at = excluded.expires_at, answer = excluded.answer, subject = excluded.subject
WHERE {KeptAnswer._meta.db_table}.answer IS NULL OR {KeptAnswer._meta.db_table}.expires_at <= %s
RETURNING id
"""  # noqa: S608 - the table's name is ours
_KEPT = Columns(KeptAnswer, "a")
_KEPT_CALL = f"SELECT {_KEPT.sql} FROM {_KEPT.source} WHERE a.owner = %s AND a.call_hash = %s"  # noqa: S608 - our own columns


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
    owner_kind: OwnerKind = OwnerKind.KEY
    answer: dict[str, Any] | None = None
    subject: UUID | None = None  # the id of what the answer shows, by which it is found again (forget_in_answers)

    @classmethod
    def of(cls, request: Request, *, owner_kind: OwnerKind) -> "Idempotency | None":
        """What the request's header asks for; None without one. `owner_kind`: what it was authenticated as.

        Raises:
            InvalidRequest: the header is not 1 to 255 visible ASCII characters.
        """
        sent = request.headers.get(HEADER)
        if sent is None:
            return None
        return cls.of_call(owner=request.auth.pk, owner_kind=owner_kind, path=request.path, sent=sent, body=lambda: request.data)

    @classmethod
    def of_call(cls, *, owner: int, path: str, sent: str, body: Callable[[], Any], owner_kind: OwnerKind = OwnerKind.KEY) -> "Idempotency":
        """The same of a call of that key whose header is `sent`; the body is not asked for before that is found well formed."""
        if not _WELL_FORMED.fullmatch(sent):
            raise InvalidRequest(f"`{HEADER}` must be 1 to 255 visible ASCII characters, such as a UUID.", param=HEADER)
        # Neither spaces nor the order of names make another body.
        canonical = json.dumps(body(), sort_keys=True, separators=(",", ":"))
        return cls(owner, _sha256(f"{_place(path)}\n{sent}"), _sha256(canonical), owner_kind)

    @classmethod
    def of_form(cls, *, owner: int, place: str, form_id: UUID) -> "Idempotency":
        """A form of a page, sent by the account of that id: `form_id` was made with the page. It shares no call with a key."""
        return cls(owner, _sha256(f"form {place}\n{form_id}"), _sha256(""), OwnerKind.USER)

    def claiming(self, answer: dict[str, Any] | None = None, *, about: UUID | None = None) -> Steps[None]:
        """Take this call, before anything else is written: with its answer (answer_of) where that is known beforehand, and the id of
        what that shows.

        Raises:
            AnsweredBefore: it was made within the last 24 hours.
            Conflict: it is still at work after conduit.database.LOCK_SECONDS.
        """
        self.subject, now = about or self.subject, clock.now()
        try:
            values = [self.owner, self.owner_kind, self.call_hash, self.body_hash, now + KEPT, answer, self.subject, now]
            [claimed] = yield [Statement(_CLAIM, values)]
        except OperationalError as error:
            if sqlstate(error) != LOCK_NOT_AVAILABLE:
                raise
            raise Conflict(
                f"The first call with this `{HEADER}` is still at work. Send the same again in a moment: it will get that call's answer.",
                code="idempotency_conflict",
                param=HEADER,
                headers={"Retry-After": str(RETRY_SECONDS)},
            ) from error
        if not claimed:
            [[before]] = yield [Statement(_KEPT_CALL, [self.owner, self.call_hash], _KEPT.fields)]
            raise AnsweredBefore(_KEPT.made_of(before))
        self.answer = answer

    def claim(self) -> None:
        """The same in this thread's transaction, of a call whose answer is not known beforehand."""
        statements.run(self.claiming())

    def store(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str], *, first: Mapping[str, Any] | None = None) -> None:
        """Keep the call's answer for 24 hours, after everything else was written, where it was not known before.

        `first` is the body that the first call alone is given, when it holds what must not be stored.
        """
        kept = answer_of(status, body, headers)
        self.answer = kept if first is None else answer_of(status, first, headers)
        self._rows().update(answer=kept)

    def kept(self) -> KeptAnswer | None:
        """How this call was answered before, if it was."""
        return statements.run(self.finding())

    def finding(self) -> Steps[KeptAnswer | None]:
        """The same as steps."""
        given = f"{_KEPT_CALL} AND a.expires_at > %s AND a.answer IS NOT NULL"
        [rows] = yield [Statement(given, [self.owner, self.call_hash, clock.now()], _KEPT.fields)]
        return _KEPT.made_of(rows[0]) if rows else None

    def answer_again(self, kept: KeptAnswer) -> dict[str, Any]:
        """How this call is answered that was answered so before.

        Raises:
            Conflict: with another body.
        """
        if kept.body_hash != self.body_hash:
            raise Conflict(
                f"This `{HEADER}` was sent before with another body. Use a new one for each new request; it may be used anew "
                "24 hours after.",
                code="idempotency_conflict",
                param=HEADER,
            )
        answer: dict[str, Any] = kept.answer or {}
        return answer | {"headers": answer["headers"] | {REPLAYED: "true"}}

    def _rows(self) -> KeptAnswerQuerySet:
        return KeptAnswer.objects.filter(owner=self.owner, call_hash=self.call_hash)


def idempotent(post: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A view's method that is given its call's `idempotency` (None without the header) and is done once for each."""

    @wraps(post)
    def once(view: ApiView, request: Request, **named: Any) -> HttpResponseBase:
        idempotency = Idempotency.of(request, owner_kind=view.owner_kind)
        if view.refusal:
            if idempotency and (kept := idempotency.kept()):
                return _replayed(kept, idempotency)
            raise view.refusal
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

    once.is_idempotent = True  # type: ignore[attr-defined]  # for is_repeatable
    return once


def is_repeatable(view: ApiView, request: Request) -> bool:
    """Whether the call may be one that was made before, which its method then answers again."""
    method = getattr(view, (request.method or "").lower(), None)
    return HEADER in request.headers and getattr(method, "is_idempotent", False)


def _replayed(kept: KeptAnswer, idempotency: Idempotency) -> HttpResponse:
    return _response(idempotency.answer_again(kept))


def answer_of(status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    """An answer as it is kept."""
    return {"status": status, "headers": dict(headers), "body": JSONRenderer().render(body).decode()}


def _response(answer: Any) -> HttpResponse:
    """What `store` kept, sent."""
    return HttpResponse(answer["body"], status=answer["status"], headers=answer["headers"], content_type="application/json")


def _place(path: str) -> str:
    """The path with each id in it as we write it: an id in upper case is the same one."""
    return "/".join(_plain_id(segment) for segment in path.split("/"))


def _plain_id(segment: str) -> str:
    try:
        return str(UUID(segment)) if len(segment) == _ID_CHARACTERS else segment
    except ValueError:
        return segment


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def forget_in_answers(*, about: UUID, instead: Mapping[str, Any]) -> None:
    """Put these values instead of what kept answers about that id hold by their names: a call that is sent again gets them."""
    for kept in KeptAnswer.objects.filter(subject=about, answer__isnull=False).select_for_update(no_key=True):
        answer: dict[str, Any] = kept.answer or {}
        body = json.loads(answer["body"])
        body |= {name: value for name, value in instead.items() if name in body}
        KeptAnswer.objects.filter(pk=kept.pk).update(answer=answer_of(answer["status"], body, answer["headers"]))


def forget_expired() -> None:
    """Remove the answers that no call gets any more."""
    batches.delete(KeptAnswer.objects.expired(clock.now()))
