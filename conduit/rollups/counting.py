"""Going on from the last row that was counted, and counting all anew."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, models, transaction
from django.db.models import QuerySet

from conduit.rollups.models import Cursor, Stepped
from conduit.rollups.settling import settled_id
from conduit.rollups.steps import Step

# Rows that are read at once, and written of in one transaction.
BATCH = 2_000


@contextmanager
def cursor_of(name: str) -> Iterator[Cursor | None]:
    """A transaction with the roll-up's cursor, locked; None while somebody else has it."""
    Cursor.objects.bulk_create([Cursor(name=name)], ignore_conflicts=True)
    with transaction.atomic():
        cursors = Cursor.objects.filter(pk=name)
        if connection.features.has_select_for_update_skip_locked:
            cursors = cursors.select_for_update(skip_locked=True)
        yield cursors.first()


def position_of(name: str) -> int:
    """The id of the last row that was counted."""
    return Cursor.objects.filter(pk=name).values_list("position", flat=True).first() or 0


@dataclass(frozen=True)
class Counter:
    """Counts the rows of a table whose ids grow, and in which nothing that is counted ever changes."""

    name: str  # of its cursor
    rows: Callable[[], QuerySet[Any, Any]]  # what is read of each
    count: Callable[[Sequence[Any]], None]  # given some of them: adds to the counts
    moment: str  # the field that says when a row was written
    total: Callable[[Sequence[Any]], None] | None = None  # the same rows, once: what it adds to is never counted anew

    def count_new(self) -> bool:
        """Count the next rows and move the cursor past them, in one transaction. False when no more are there now."""
        rows = self.rows()
        before = position_of(self.name)
        settled = settled_id(rows.model, above=before)
        if settled <= before:
            return False
        with cursor_of(self.name) as cursor:
            if cursor is None or cursor.position >= settled:
                return False
            found = list(rows.filter(pk__gt=cursor.position, pk__lte=settled).order_by("pk")[:BATCH])
            if found:
                self.count(found)
                if self.total:
                    self.total(found)
            cursor.position = found[-1].pk if len(found) == BATCH else settled
            cursor.save(update_fields=["position"])
        return len(found) == BATCH

    def first_left(self) -> datetime | None:
        """When the first row was written that is not counted yet; None when all are."""
        left = self.rows().model._default_manager.filter(pk__gt=position_of(self.name)).order_by("pk")
        found: datetime | None = left.values_list(self.moment, flat=True).first()
        return found

    def count_anew(self, tables: Sequence[type[models.Model]]) -> int:
        """Empty the tables and count all that was counted before, in one transaction. How many rows there were.

        Where rows were forgotten since, counts of their time stay, and what is left of that time is not counted again.
        """
        with cursor_of(self.name) as cursor:
            if cursor is None:
                raise BusyError
            rows = self.rows().filter(pk__lte=cursor.position)
            start = None
            if cursor.kept_from is not None:
                start = Step.SIX_HOURS.start(cursor.kept_from) + Step.SIX_HOURS.length
                rows = rows.filter(**{f"{self.moment}__gte": start})
            for table in tables:
                _empty(table, start)
            return self._count_all(rows)

    def _count_all(self, rows: QuerySet[Any, Any]) -> int:
        read, batch = 0, []
        for row in rows.order_by("pk").iterator(chunk_size=BATCH):
            batch.append(row)
            if len(batch) == BATCH:
                self.count(batch)
                read, batch = read + len(batch), []
        self.count(batch)
        return read + len(batch)


class BusyError(Exception):
    """Somebody else counts at this moment."""


def _empty(table: type[models.Model], start: datetime | None) -> None:
    """Delete what was counted from a moment on; None: all of it."""
    if start is None:
        table._default_manager.all().delete()
    elif issubclass(table, Stepped):
        table._default_manager.filter(starts_at__gte=start).delete()
    else:
        raise TypeError(f"{table.__name__} has no steps: what is counted in it must never be forgotten")


def forget_before(name: str, moment: datetime) -> bool:
    """Note that rows up to that moment are about to be forgotten, none of them beyond `position_of`; False while somebody else counts.

    It has to be noted before they are: a rebuild after that leaves their time as it was counted.
    """
    with cursor_of(name) as cursor:
        if cursor is None:
            return False
        cursor.kept_from = max(cursor.kept_from or moment, moment)
        cursor.save(update_fields=["kept_from"])
    return True
