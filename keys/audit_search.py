"""Finding rows of the audit, newest first, whatever is asked for and however many there are.

One filter has an index in the order of the ids, and finds its rows however old they are. What else is asked for is looked for among
the newest LOOKED_AT of those: whether the rest of a million matches or not, no search reads more.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL

from keys.models import AuditEntry

# Rows that one search looks at.
LOOKED_AT = 5_000
# Rows that are written at the same time may have ids that are so far from the order of their moments.
_APART = 1_000
_ID_MAX = 2**63 - 1
# The filter that presumably leaves the fewest comes first.
FILTERS = ("target", "address", "who", "action", "target_kind")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is looked for; empty is anything."""

    filters: Mapping[str, str]  # by names of FILTERS
    text: str = ""  # in who it was, what the target is called, or what changed
    begins: datetime | None = None
    ends: datetime | None = None  # before this moment


@dataclass(frozen=True)
class Found:
    """One page. `next_before` is the id before which the next one begins, None after the last: it may lead on from a page without rows.

    `looked_back_to`: how far this page looked, where rows older than that were not looked at.
    """

    entries: Sequence[AuditEntry]
    next_before: int | None = None
    looked_back_to: datetime | None = None


class _Ids(NamedTuple):
    first: int
    last: int


class _Comparison(NamedTuple):
    sql: str
    values: Sequence[Any]


def search(wanted: Wanted, *, before: int | None, limit: int) -> Found:
    """The newest rows that are wanted, of those whose id is less than `before`."""
    ids = _ids(wanted, before)
    if ids is None:
        return Found([])
    base, rest = _plan(wanted, ids)
    rest = [*rest, *_moments(wanted), *_text(wanted.text)]
    if not rest:
        rows = list(base[: limit + 1])
        return Found(rows[:limit], rows[limit - 1].pk if len(rows) > limit else None)
    matching = _filtered(base, rest, limit + 1)
    entries = list(AuditEntry.objects.filter(pk__in=matching[:limit]).order_by("-pk"))
    if len(matching) > limit:
        return Found(entries, entries[-1].pk)
    for pk, looked_back_to in base.values_list("pk", "created_at")[LOOKED_AT - 1 : LOOKED_AT]:
        return Found(entries, pk, looked_back_to)
    return Found(entries)


def values_of(column: str, *, most: int) -> list[str]:
    """The values that a column of FILTERS has, in their order: each is one step in its index, however many rows have it."""
    table, name = AuditEntry._meta.db_table, connection.ops.quote_name(column)
    sql = f"""
        WITH RECURSIVE found(value) AS (
            SELECT MIN({name}) FROM {table}
            UNION ALL
            SELECT (SELECT MIN({name}) FROM {table} WHERE {name} > found.value) FROM found WHERE found.value IS NOT NULL
        )
        SELECT value FROM found WHERE value <> '' LIMIT %s
    """  # noqa: S608 - our own names
    with connection.cursor() as cursor:
        cursor.execute(sql, [most])
        return [value for (value,) in cursor.fetchall()]


def _plan(wanted: Wanted, ids: _Ids) -> tuple[QuerySet[AuditEntry], list[_Comparison]]:
    """The rows to look at, newest first, and what is left to be compared.

    By `column = value` PostgreSQL may walk through the newest of all rows instead, where it believes that so many have the value that it
    soon has enough; and does not stop where it was wrong. Pairs of the column and the id are in the order of the column's index alone.
    """
    given = [(name, wanted.filters[name]) for name in FILTERS if wanted.filters.get(name)]
    if not given:
        return AuditEntry.objects.filter(pk__gte=ids.first, pk__lte=ids.last).order_by("-pk"), []
    (column, value), *rest = given
    span = RawSQL(  # noqa: S611 - our own names
        f"({column}, id) >= (%s, %s) AND ({column}, id) <= (%s, %s)", [value, ids.first, value, ids.last], output_field=BooleanField()
    )
    return AuditEntry.objects.filter(span).order_by(f"-{column}", "-pk"), [_Comparison(f"{name} = %s", [other]) for name, other in rest]


def _ids(wanted: Wanted, before: int | None) -> _Ids | None:
    """Those between which all rows of the span and the page are, with few others; None when there are none."""
    first, last = 0, _ID_MAX if before is None else before - 1
    if wanted.begins:
        found = AuditEntry.objects.filter(created_at__gte=wanted.begins).order_by("created_at").values_list("pk", flat=True).first()
        if found is None:
            return None
        first = found - _APART
    if wanted.ends:
        found = AuditEntry.objects.filter(created_at__lt=wanted.ends).order_by("-created_at").values_list("pk", flat=True).first()
        if found is None:
            return None
        last = min(last, found + _APART)
    return _Ids(first, last)


def _moments(wanted: Wanted) -> list[_Comparison]:
    given = (("created_at >= %s", wanted.begins), ("created_at < %s", wanted.ends))
    return [_Comparison(sql, [connection.ops.adapt_datetimefield_value(moment)]) for sql, moment in given if moment]


def _text(text: str) -> list[_Comparison]:
    """Each word in one of the columns, whatever its case."""
    escaped = connection.vendor == "sqlite"  # whose JSON is text, with other letters than ASCII's escaped
    found = []
    for word in text.lower().split():
        in_json = json.dumps(word, ensure_ascii=escaped)[1:-1]
        sql = " OR ".join(f"LOWER({name}) LIKE %s ESCAPE '!'" for name in ("who", "target_name", "target", "CAST(changes AS text)"))
        found.append(_Comparison(f"({sql})", [*[_like(word)] * 3, _like(in_json)]))
    return found


def _like(word: str) -> str:
    for special in "!%_":
        word = word.replace(special, f"!{special}")
    return f"%{word}%"


def _filtered(base: QuerySet[AuditEntry], rest: Sequence[_Comparison], limit: int) -> list[int]:
    """Of the newest LOOKED_AT rows those that match the rest. A database may not look beyond a subquery's limit for them."""
    columns = ("id", *FILTERS, "target_name", "created_at", "changes")
    looked_at, values = base.values(*columns)[:LOOKED_AT].query.sql_with_params()
    where = " AND ".join(comparison.sql for comparison in rest)
    sql = f"SELECT id FROM ({looked_at}) AS looked_at WHERE {where} ORDER BY id DESC LIMIT %s"  # noqa: S608 - our columns
    with connection.cursor() as cursor:
        cursor.execute(sql, [*values, *(value for comparison in rest for value in comparison.values), limit])
        return [found for (found,) in cursor.fetchall()]
