"""Finding tasks among all keys' ones, newest first, whatever is asked for and however many there are.

One filter has an index in the order of the ids, and finds its rows however old they are. What else is asked for is looked for
among the newest LOOKED_AT of those: whether the rest of a million matches or not, no call reads more.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple, Self
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from conduit.api.pagination import end_of_millisecond
from tasks.ids import first_task_id_at, last_task_id_before
from tasks.models import ACTIVE, Status, Task

# Rows that one call looks at.
LOOKED_AT = 5_000
# Values of one filter that are each looked up by the index; of more, all rows are looked through.
BRANCHES_MAX = 8

_ALL = frozenset(Status.values)
_ACTIVE = frozenset(map(str, ACTIVE))
_ENDED = _ALL - _ACTIVE
_UNSUCCESSFUL = frozenset({str(Status.FAILED), str(Status.CANCELLED)})


class Comparison(NamedTuple):
    """What rows that are looked at must be: `sql` over these columns of theirs, and `looked_at.id`."""

    columns: Sequence[str]
    sql: str
    values: Sequence[Any]

    def negated(self) -> "Comparison":
        """Also where it is unknown, such as the team of a task without one."""
        return Comparison(self.columns, f"({self.sql}) IS NOT TRUE", self.values)


# Each of these is a column of a task, and what it may be; None is anything.
Values = frozenset[Any] | None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is looked for; None is anything."""

    key_id: Values = None
    team_id: Values = None
    model: Values = None
    status: Values = None
    stage: Values = None
    error_code: Values = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    task_ids: frozenset[UUID] | None = None  # a few
    further: tuple[Comparison, ...] = field(default=())

    def __and__(self, other: Self) -> Self:
        """What both want."""
        both: dict[str, Any] = {"further": (*self.further, *other.further)}
        for name in (one.name for one in fields(self) if one.name != "further"):
            ours, theirs = getattr(self, name), getattr(other, name)
            if ours is None or theirs is None:
                both[name] = theirs if ours is None else ours
            else:
                both[name] = {"created_after": max, "created_before": min}.get(name, frozenset.intersection)(ours, theirs)
        return replace(self, **both)

    @property
    def statuses(self) -> frozenset[str]:
        """Those that are left by what is asked for: an ended task's stage is its status, and any other stage one of a task under way."""
        asked = _ALL if self.status is None else self.status
        if self.stage is None:
            return asked
        return asked & (self.stage & _ENDED | (_ACTIVE if self.stage - _ENDED else frozenset()))

    @property
    def is_nothing(self) -> bool:
        """Whether no task can be it."""
        lists = (self.key_id, self.team_id, self.model, self.stage, self.error_code, self.task_ids)
        return not self.statuses or any(values is not None and not values for values in lists)


@dataclass(frozen=True)
class Found:
    """One page. `next_after` is where the next one begins, None after the last: it may lead on from a page that found nothing."""

    task_ids: Sequence[UUID]
    next_after: UUID | None


def search(wanted: Wanted, *, after: UUID | None, limit: int, newer: bool = False) -> Found:
    """The ids of the newest tasks before `after` that are wanted, in one query, or in two.

    With `newer` those that come right after `after` in time, oldest first.
    """
    if wanted.is_nothing:
        return Found([], None)
    branches, rest = _plan(wanted)
    branches = [_within(branch, wanted, after, newer) for branch in branches]
    if len(branches) == 1 and not rest:
        rows = list(branches[0].values_list("pk", flat=True)[: limit + 1])
        return Found(rows[:limit], rows[limit - 1] if len(rows) > limit else None)
    share = LOOKED_AT // len(branches)
    end = _end(branches, share, newer) if len(branches) > 1 else None
    rows = _filtered(branches, share, rest, limit + 1, end, newer)
    if len(rows) > limit:
        return Found(rows[:limit], rows[limit - 1])
    return Found(rows, end if len(branches) > 1 else _end(branches, share, newer))


# ---- Where it is looked for ---------------------------------------------------------------------------------------------


def _plan(wanted: Wanted) -> tuple[list[QuerySet[Task]], list[Comparison]]:
    """The rows to look at, newest first, by the filter that presumably leaves the fewest, and what is left to be compared.

    Several values of that filter are as many queries, each with rows of its own.
    """
    statuses = wanted.statuses
    columns: dict[str, Values] = {
        name: getattr(wanted, name) for name in ("key_id", "error_code", "team_id", "stage", "model") if getattr(wanted, name) is not None
    }
    if statuses != _ALL:
        columns["status"] = statuses
    further = [*_moments(wanted), *wanted.further]

    def rest(*known: str) -> list[Comparison]:
        return [is_one_of(name, values or ()) for name, values in columns.items() if name not in known] + further

    if wanted.task_ids is not None:
        return [Task.objects.filter(pk__in=wanted.task_ids)], rest()
    keys = columns.get("key_id")
    if keys and len(keys) <= BRANCHES_MAX and (of := next((of for of in (_ACTIVE, _UNSUCCESSFUL) if statuses <= of), None)):
        # By an index that holds those of a key alone.
        known = ["key_id", *(["status"] if statuses == of else [])]
        return [rows.filter(status__in=sorted(of)) for rows in _branches("key_id", keys)], rest(*known)
    if statuses <= _ACTIVE:
        return [Task.objects.active()], rest(*(["status"] if statuses == _ACTIVE else []))
    for name in ("key_id", "error_code", "team_id", "status", "model"):
        values = columns.get(name)
        if values and len(values) <= BRANCHES_MAX:
            return _branches(name, values), rest(name)
    return [Task.objects.all()], rest()


def _branches(column: str, values: frozenset[Any]) -> list[QuerySet[Task]]:
    if column != "status":
        return [_all_with(column, value) for value in sorted(values)]
    ended = [_all_with(column, value) for value in sorted(values & _ENDED)]
    active = values & _ACTIVE
    return [*ended, *([Task.objects.active().filter(status__in=sorted(active))] if active else [])]


def _all_with(column: str, value: str | int) -> QuerySet[Task]:
    """The rows with that value, newest first, by the index of that column and no other.

    By `column = value` PostgreSQL may walk through the newest of all tasks instead, where it believes that so many have the value
    that it soon has enough; and does not stop where it was wrong. A range has to be sorted by the column too, as its index is.
    """
    rows = Task.objects.filter(**{f"{column}__gte": value, f"{column}__lte": value})
    if column == "status":
        rows = rows.filter(status__in=sorted(_ENDED))  # the index's own condition
    return rows.order_by(column, "-pk")


def _within(rows: QuerySet[Task], wanted: Wanted, after: UUID | None, newer: bool) -> QuerySet[Task]:
    """In their order, with the bounds that ids tell: they begin with the time of their making, or nearly so."""
    if wanted.created_after:
        rows = rows.filter(pk__gte=first_task_id_at(wanted.created_after))
    if wanted.created_before:
        rows = rows.filter(pk__lt=last_task_id_before(wanted.created_before))
    if after:
        rows = rows.filter(pk__gt=after) if newer else rows.filter(pk__lt=after)
    if not rows.query.order_by:
        rows = rows.order_by("-pk")
    return rows.reverse() if newer else rows


def _end(branches: Sequence[QuerySet[Task]], share: int, newer: bool) -> UUID | None:
    """How far all of the branches were looked at; None: to their ends."""
    rows = [_sql(branch.values("id"), share - 1, share) for branch in branches]
    with connection.cursor() as cursor:
        cursor.execute(_together(sql for sql, _ in rows), list(chain.from_iterable(values for _, values in rows)))
        found = [_uuid(value) for (value,) in cursor.fetchall()]
    return (min if newer else max)(found, default=None)


def _filtered(
    branches: Sequence[QuerySet[Task]], share: int, rest: Sequence[Comparison], limit: int, end: UUID | None, newer: bool
) -> list[UUID]:
    """Of the first rows of each those that match the rest. A database may not look beyond a subquery's limit for them."""
    columns = ["id", *dict.fromkeys(chain.from_iterable(comparison.columns for comparison in rest))]
    parts = [_sql(branch.values(*columns), 0, share) for branch in branches]
    looked_at = _together(sql for sql, _ in parts)
    comparisons = list(rest)
    if end is not None:
        comparisons.insert(0, Comparison(["id"], f"id {'<=' if newer else '>='} %s", [_adapted(end)]))
    where = " AND ".join(comparison.sql for comparison in comparisons) or "1 = 1"
    order = "ASC" if newer else "DESC"
    sql = f"SELECT id FROM ({looked_at}) AS looked_at WHERE {where} ORDER BY id {order} LIMIT %s"  # noqa: S608 - our columns
    values = [*chain.from_iterable(part[1] for part in parts), *chain.from_iterable(comparison.values for comparison in comparisons)]
    with connection.cursor() as cursor:
        cursor.execute(sql, [*values, limit])
        return [_uuid(found) for (found,) in cursor.fetchall()]


def _together(queries: Iterable[str]) -> str:
    return " UNION ALL ".join(f"SELECT * FROM ({sql}) AS branch" for sql in queries)  # noqa: S608 - ours


def _sql(rows: Any, start: int, stop: int) -> tuple[str, Sequence[Any]]:
    sql, values = rows[start:stop].query.sql_with_params()
    return sql, values


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)


def _adapted(value: UUID) -> Any:
    return Task._meta.pk.get_db_prep_value(value, connection)


# ---- What rows must be --------------------------------------------------------------------------------------------------


def is_one_of(column: str, values: Collection[Any]) -> Comparison:
    """Of a column's own values; ids of tasks too."""
    several = [_adapted(value) if isinstance(value, UUID) else value for value in sorted(values)]
    return Comparison([column], f"{column} IN ({', '.join(['%s'] * len(several))})" if several else "1 = 0", several)


def is_before(column: str, moment: datetime) -> Comparison:
    return Comparison([column], f"{column} < %s", [connection.ops.adapt_datetimefield_value(moment)])


def is_after(column: str, moment: datetime) -> Comparison:
    return Comparison([column], f"{column} > %s", [connection.ops.adapt_datetimefield_value(moment)])


def _moments(wanted: Wanted) -> list[Comparison]:
    """What ids do not tell to the millisecond. An index of `created_at` would not help: these look at rows already chosen."""
    found = []
    if wanted.created_after:
        found.append(is_after("created_at", end_of_millisecond(wanted.created_after)))
    if wanted.created_before:
        found.append(is_before("created_at", wanted.created_before))
    return found


def any_of(comparisons: list[Comparison]) -> Comparison:
    return _joined(" OR ", comparisons)


def all_of(comparisons: list[Comparison]) -> Comparison:
    return _joined(" AND ", comparisons)


def _joined(word: str, comparisons: list[Comparison]) -> Comparison:
    if len(comparisons) == 1:
        return comparisons[0]
    return Comparison(
        [column for one in comparisons for column in one.columns],
        f"({word.join(one.sql for one in comparisons)})",
        [value for one in comparisons for value in one.values],
    )
