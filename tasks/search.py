"""Finding tasks among all keys' ones, newest first, whatever is asked for and however many there are.

One filter has an index in the order of the ids, and finds its rows however old they are. What else is asked for is looked for
among the newest LOOKED_AT of those: whether the rest of a million matches or not, no call reads more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from conduit.api.pagination import end_of_millisecond
from tasks.ids import first_task_id_at, last_task_id_before
from tasks.models import ACTIVE, Status, Task

# Rows that one call looks at.
LOOKED_AT = 5_000

_ALL = frozenset(Status.values)
_ENDED = _ALL - frozenset(ACTIVE)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is looked for; None is anything."""

    key_id: int | None = None
    team_id: int | None = None
    model: str | None = None
    statuses: frozenset[str] | None = None
    stage: str | None = None
    error_code: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    task_ids: list[UUID] | None = None  # a few


@dataclass(frozen=True)
class Found:
    """One page. `next_after` is where the next one begins, None after the last: it may lead on from a page that found nothing."""

    task_ids: Sequence[UUID]
    next_after: UUID | None


class Condition(NamedTuple):
    """What rows that are looked at must be."""

    column: str
    sql: str
    values: Sequence[Any]


def search(wanted: Wanted, *, after: UUID | None, limit: int) -> Found:
    """The ids of the newest tasks before `after` that are wanted, in one query, or in two."""
    if not _statuses(wanted) or wanted.task_ids == []:
        return Found([], None)
    base, equal = _plan(wanted)
    base = _within(base, wanted, after)
    rest = [_is_one_of(column, value) for column, value in equal.items()] + _moments(wanted)
    if not rest:
        rows = list(base.values_list("pk", flat=True)[: limit + 1])
        return Found(rows[:limit], rows[limit - 1] if len(rows) > limit else None)
    rows = _filtered(base, rest, limit + 1)
    if len(rows) > limit:
        return Found(rows[:limit], rows[limit - 1])
    return Found(rows, base.values_list("pk", flat=True)[LOOKED_AT - 1 : LOOKED_AT].first())


def _plan(wanted: Wanted) -> tuple[QuerySet[Task], dict[str, Any]]:
    """The rows to look at, newest first, by the filter that presumably leaves the fewest, and what is left to be compared, by column."""
    statuses = _statuses(wanted)
    columns = {
        "key_id": wanted.key_id,
        "team_id": wanted.team_id,
        "model": wanted.model,
        "status": None if statuses == _ALL else statuses,
        "stage": wanted.stage,
        "error_code": wanted.error_code,
    }
    rest = {name: value for name, value in columns.items() if value is not None}
    if wanted.task_ids is not None:
        return Task.objects.filter(pk__in=wanted.task_ids).order_by("-pk"), rest
    if statuses <= frozenset(ACTIVE):
        if statuses == frozenset(ACTIVE):
            del rest["status"]
        return Task.objects.active().order_by("-pk"), rest
    if len(statuses) == 1:
        rest["status"] = next(iter(statuses))
    for name in ("key_id", "error_code", "team_id", "status", "model"):
        value = rest.get(name)
        if isinstance(value, str | int):
            del rest[name]
            return _all_with(name, value), rest
    return Task.objects.order_by("-pk"), rest


def _all_with(column: str, value: str | int) -> QuerySet[Task]:
    """The rows with that value, newest first, by the index of that column and no other.

    By `column = value` PostgreSQL may walk through the newest of all tasks instead, where it believes that so many have the value
    that it soon has enough; and does not stop where it was wrong. A range has to be sorted by the column too, as its index is.
    """
    rows = Task.objects.filter(**{f"{column}__gte": value, f"{column}__lte": value})
    if column == "status":
        rows = rows.filter(status__in=sorted(_ENDED))  # the index's own condition
    return rows.order_by(column, "-pk")


def _statuses(wanted: Wanted) -> frozenset[str]:
    """Those that are left by what is asked for: an ended task's stage is its status, and any other stage one of a task under way."""
    asked = _ALL if wanted.statuses is None else wanted.statuses
    if wanted.stage is None:
        return asked
    return asked & (frozenset({wanted.stage}) if wanted.stage in _ENDED else frozenset(ACTIVE))


def _within(rows: QuerySet[Task], wanted: Wanted, after: UUID | None) -> QuerySet[Task]:
    """Newest first, with the bounds that ids tell: they begin with the time of their making, or nearly so."""
    if wanted.created_after:
        rows = rows.filter(pk__gte=first_task_id_at(wanted.created_after))
    if wanted.created_before:
        rows = rows.filter(pk__lt=last_task_id_before(wanted.created_before))
    if after:
        rows = rows.filter(pk__lt=after)
    return rows


def _filtered(base: QuerySet[Task], rest: Sequence[Condition], limit: int) -> list[UUID]:
    """Of the newest LOOKED_AT rows those that match the rest. A database may not look beyond a subquery's limit for them."""
    looked_at, values = base.values("id", *dict.fromkeys(condition.column for condition in rest))[:LOOKED_AT].query.sql_with_params()
    where = " AND ".join(condition.sql for condition in rest)
    sql = f"SELECT id FROM ({looked_at}) AS looked_at WHERE {where} ORDER BY id DESC LIMIT %s"  # noqa: S608 - our columns
    with connection.cursor() as cursor:
        cursor.execute(sql, [*values, *chain.from_iterable(condition.values for condition in rest), limit])
        return [found if isinstance(found, UUID) else UUID(found) for (found,) in cursor.fetchall()]


def _is_one_of(column: str, value: Any) -> Condition:
    several = sorted(value) if isinstance(value, frozenset) else [value]
    return Condition(column, f"{column} IN ({', '.join(['%s'] * len(several))})", several)


def _moments(wanted: Wanted) -> list[Condition]:
    """What ids do not tell to the millisecond. An index of `created_at` would not help: these look at rows already chosen."""
    found = []
    if wanted.created_after:
        found.append(("created_at > %s", end_of_millisecond(wanted.created_after)))
    if wanted.created_before:
        found.append(("created_at < %s", wanted.created_before))
    return [Condition("created_at", sql, [connection.ops.adapt_datetimefield_value(moment)]) for sql, moment in found]
