"""Keeping what was said between us and MiniMax, for EXCHANGES_KEPT_DAYS, and finding the newest of it."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import OuterRef, Subquery, Value
from django.db.models.functions import Coalesce

from conduit import batches, clock
from videos.call_counts import answer_of
from videos.exchange_models import Exchange
from videos.minimax.exchanges import Exchange as Said
from videos.models import Clip
from videos.rollup_models import CallCount

_TABLE = Exchange._meta.db_table
_COLUMNS = (
    "video_id", "clip_number", "call", "method", "path", "http", "code", "status", "message", "trace_id", "is_error", "milliseconds",
    "count", "first_at", "last_at", "unchanged", "request", "answer",
)  # fmt: skip
# A row for each, but for queries that were answered as one before: it keeps the body of the first.
_RECORD = f"""
INSERT INTO {_TABLE} ({", ".join(_COLUMNS)}) VALUES {{rows}}
ON CONFLICT (video_id, clip_number, unchanged) DO UPDATE SET count = {_TABLE}.count + excluded.count, last_at = excluded.last_at,
    milliseconds = excluded.milliseconds, trace_id = excluded.trace_id
"""  # noqa: S608 - our own names


def record(video_id: UUID, clip_number: int | None, said: Sequence[Said]) -> None:
    """Write them down, in one statement. It belongs into the transaction of what came of them, and finds nothing to refuse in them."""
    if not said:
        return
    now, monotonic_now = clock.now(), time.monotonic()
    rows: dict[Any, dict[str, Any]] = {}
    for number, exchange in enumerate(each.written for each in said):
        row = _row(video_id, clip_number, exchange, now - timedelta(seconds=max(0.0, monotonic_now - exchange.ended_at)))
        before = rows.pop(row["unchanged"] or number, None)  # a statement may meet each row once
        if before:
            row |= {"first_at": before["first_at"], "count": before["count"] + 1}
        rows[row["unchanged"] or number] = row
    values = [value for row in rows.values() for value in _prepared(row)]
    placeholders = ", ".join([f"({', '.join(['%s'] * len(_COLUMNS))})"] * len(rows))
    with connection.cursor() as cursor:
        cursor.execute(_RECORD.format(rows=placeholders), values)


def _row(video_id: UUID, clip_number: int | None, said: Said, at: datetime) -> dict[str, Any]:
    return {
        "video_id": video_id,
        "clip_number": clip_number,
        "call": said.call,
        "method": said.method,
        "path": said.path,
        "http": said.http,
        "code": said.code,
        "status": said.status,
        "message": said.message,
        "trace_id": said.trace_id,
        "is_error": said.is_error,
        "milliseconds": said.milliseconds,
        "count": 1,
        "first_at": at,
        "last_at": at,
        "unchanged": _unchanged(said) if said.is_query else None,
        "request": said.request,
        "answer": said.answer,
    }


def _unchanged(said: Said) -> UUID:
    return UUID(bytes=hashlib.sha256(f"{said.path}\n{said.http}\n{said.code}\n{said.status}".encode()).digest()[:16])


def _prepared(row: dict[str, Any]) -> list[Any]:
    return [_FIELDS[column].get_db_prep_save(row[column], connection) for column in _COLUMNS]


_FIELDS: dict[str, Any] = {str(field.column): field for field in Exchange._meta.concrete_fields}


# ---- Reading -----------------------------------------------------------------------------------------------------------

# Exchanges that one call looks at.
LOOKED_AT = 1_000


@dataclass(frozen=True)
class Wanted:
    """Which exchanges; None is any. As they are counted (videos.rollups.Calls)."""

    upstream: str | None = None
    answer: CallCount.Answer | None = None
    code: int | None = None


@dataclass(frozen=True)
class Newest:
    """`is_whole`: whether those are all that are kept."""

    rows: Sequence[Exchange]
    is_whole: bool


def newest(wanted: Wanted, *, since: datetime, most: int) -> Newest:
    """Of the newest LOOKED_AT that began from a moment on those that are wanted, each with its model as `upstream`. One query.

    What is asked for beside their age has no index: unchanged queries would have to write to it.
    """
    is_refused = wanted.answer not in (None, CallCount.Answer.FINE) or bool(wanted.code)
    rows = Exchange.objects.errors() if is_refused else Exchange.objects.order_by("-first_at", "-id")
    upstream = Clip.objects.filter(video=OuterRef("video"), number=OuterRef("clip_number")).values("upstream")[:1]
    of_clip = Coalesce(Subquery(upstream), Value(""))
    looked_at = list(rows.filter(first_at__gte=since).defer("request", "answer").annotate(upstream=of_clip)[:LOOKED_AT])
    found = [row for row in looked_at if _is_wanted(row, wanted)]
    return Newest(found[:most], is_whole=len(looked_at) < LOOKED_AT and len(found) <= most)


def _is_wanted(row: Any, wanted: Wanted) -> bool:
    answer, code = answer_of(row)
    return (
        (wanted.upstream is None or row.upstream == wanted.upstream)
        and (wanted.answer is None or answer == wanted.answer)
        and (wanted.code is None or code == wanted.code)
    )


def forget_old(now: datetime) -> int:
    """Delete what is older than is kept, in batches. How many rows there were."""
    return batches.delete(Exchange.objects.filter(first_at__lt=now - timedelta(days=settings.EXCHANGES_KEPT_DAYS)))
