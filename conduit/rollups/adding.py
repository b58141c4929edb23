"""Adding to counts, whether their rows are there yet or not."""

from collections.abc import Hashable
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection, models

from conduit.rollups.steps import KEPT, Step

# Rows of one statement.
ROWS_MAX = 500

Key = tuple[Any, ...]


class Tally:
    """What is to be added to one table: for each row, which is named by its `fields`, so much to each of its `sums`."""

    def __init__(self, model: type[models.Model], fields: tuple[str, ...], sums: tuple[str, ...] = ("count",)) -> None:
        self._model, self._names, self._sums = model, fields, sums
        self._rows: dict[Key, list[Any]] = {}

    def add(self, *key: Hashable, **amounts: int | Decimal) -> None:
        """`key`: the fields' values in their order; without `amounts` one is counted."""
        row = self._rows.setdefault(key, [0] * len(self._sums))
        for name, amount in (amounts or {self._sums[0]: 1}).items():
            row[self._sums.index(name)] += amount

    def add_to_steps(self, moment: datetime, now: datetime, *key: Hashable, **amounts: int | Decimal) -> None:
        """The same to the step of each length that holds the moment, where rows as old as that are still kept."""
        for step in Step:
            if now - moment < KEPT[step]:
                self.add(int(step), step.start(moment), *key, **amounts)

    def write(self) -> None:
        """Add all of it, and begin anew. In an order that is everybody's, so that no two who add wait for each other in a circle."""
        rows = sorted(self._rows.items())
        for first in range(0, len(rows), ROWS_MAX):
            self._write(rows[first : first + ROWS_MAX])
        self._rows = {}

    def _write(self, rows: list[tuple[Key, list[Any]]]) -> None:
        fields: list[Any] = [self._model._meta.get_field(name) for name in (*self._names, *self._sums)]
        columns: list[str] = [field.column for field in fields]
        table, names = self._model._meta.db_table, columns[: len(self._names)]
        row = f"({', '.join(['%s'] * len(columns))})"
        sums = ", ".join(f"{name} = {self._sum(table, name)}" for name in columns[len(self._names) :])
        values = [
            field.get_db_prep_save(value, connection)
            for key, amounts in rows
            for field, value in zip(fields, (*key, *amounts), strict=True)
        ]
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * len(rows))} "  # noqa: S608 - our own names
                f"ON CONFLICT ({', '.join(names)}) DO UPDATE SET {sums}",
                values,
            )

    def _sum(self, table: str, column: str) -> str:
        both = f"{table}.{column} + excluded.{column}"
        field = self._model._meta.get_field(column)
        # SQLite adds in floating point.
        return f"ROUND({both}, {field.decimal_places})" if isinstance(field, models.DecimalField) else both
