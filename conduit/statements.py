"""What is done in a transaction, as statements that know no connection: written once, and run over any connection.

A function of steps is a generator. It yields statements that may be sent together, and is sent what each of them gave, in their
order; what goes wrong with one is raised where it was yielded. `run` does the steps over Django's connection of this thread, within
the transaction that it is in; conduit.postgresql.on_loop over connections of the event loop, where nobody may use Django's.

    def locking(key_id: int) -> Steps[VirtualKey]:
        [[row]] = yield [Statement("SELECT … FROM keys_virtualkey WHERE id = %s", [key_id], lock=" FOR UPDATE")]
        return KEY.made_of(row)
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property, lru_cache
from operator import attrgetter
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import AutoField, Field, Model
from django.db.models.base import ModelState
from django.db.models.expressions import Col
from django.utils.duration import duration_microseconds

Row = Sequence[Any]
Rows = Sequence[Row]
Result = TypeVar("Result")
Made = TypeVar("Made", bound=Model)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement with `%s` where its values go: plain Python values, dicts and lists as JSON."""

    sql: str
    values: Sequence[Any] = ()
    fields: Sequence["Field[Any, Any] | None"] = ()  # of the columns that it gives; None, or none: as the database gives them
    lock: str = ""  # what ends it where rows are locked one by one (not on SQLite, where one writes at a time)


class Last(list[Statement]):
    """Those with which the transaction is over: nothing that they give can refuse it, so that its commit may be sent along."""


Steps = Generator[list[Statement], list[Rows], Result]


def run(steps: Steps[Result]) -> Result:
    """Do the steps over this thread's connection. Belongs inside a transaction."""
    try:
        batch = next(steps)
        while True:
            try:
                found = do(*batch)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is for the steps to know
                batch = steps.throw(error)
            else:
                batch = steps.send(found)
    except StopIteration as end:
        result: Result = end.value
        return result


def do(*batch: Statement) -> list[Rows]:
    """Do these alone over this thread's connection, and give what each gave."""
    return [_rows(statement) for statement in batch]


def _rows(statement: Statement) -> Rows:
    sql = statement.sql + (statement.lock if connection.features.has_select_for_update else "")
    with connection.cursor() as cursor:
        cursor.execute(sql, [_adapted(value) for value in statement.values])
        rows = cursor.fetchall() if cursor.description else []
    return [_converted(row, statement.fields) for row in rows] if statement.fields else rows


def _adapted(value: Any) -> Any:
    if isinstance(value, dict | list):
        return connection.ops.adapt_json_value(value, None)
    if connection.vendor != "sqlite":
        return value
    match value:
        case datetime():
            return connection.ops.adapt_datetimefield_value(value)
        case UUID():
            return value.hex
        case Decimal():
            return str(value)
        case timedelta():
            return duration_microseconds(value)
    return value


def _converted(row: Row, fields: Sequence["Field[Any, Any] | None"]) -> Row:
    return [_convert(value, field) if field else value for value, field in zip(row, fields, strict=True)]


def _convert(value: Any, field: "Field[Any, Any]") -> Any:
    column = Col(field.model._meta.db_table, field)
    for convert in [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)]:
        value = convert(value, column, connection)
    return value


# ---- Columns of models -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Columns(Generic[Made]):
    """All columns of a model, in a statement where its table is called `alias`: a column that comes later is among them."""

    model: type[Made]
    alias: str

    @cached_property
    def fields(self) -> list["Field[Any, Any]"]:
        return list(self.model._meta.concrete_fields)

    @cached_property
    def sql(self) -> str:
        return ", ".join(f'{self.alias}."{field.column}"' for field in self.fields)

    @cached_property
    def names(self) -> str:
        """The columns without the table, for what a writing statement gives back."""
        return ", ".join(f'"{field.column}"' for field in self.fields)

    @cached_property
    def source(self) -> str:
        """The table by that name."""
        return f'"{self.model._meta.db_table}" {self.alias}'

    @cached_property
    def _attributes(self) -> list[str]:
        return [field.attname for field in self.fields]

    def made_of(self, row: Row) -> Made:
        """What Django's own query would have made of it."""
        return made_of(self.model, self._attributes, row)


def made_of(model: type[Made], names: Sequence[str], values: Row) -> Made:
    """An instance as of Django's `from_db`, of these attributes, without the signals and the look at each field that take most of its
    time. Other columns are fetched when somebody asks for them."""
    made = model.__new__(model)
    made._state = state = ModelState()
    state.adding, state.db = False, "default"
    made.__dict__.update(zip(names, values, strict=True))
    return made


def insert(row: Model, *, returning: str = "", computed: Mapping[str, tuple[str, Sequence[Any]]] | None = None) -> Statement:
    """Write a row that is not there yet. `computed`: of some attributes the SQL, with its values, that gives them in the database."""
    instead = tuple((name, sql) for name, (sql, _) in computed.items()) if computed else ()
    sql, fields, values_of = _insert(type(row), instead, 1, row.pk is None, f" RETURNING {returning}" if returning else "")
    values = list(values_of(row))
    if computed:
        values = [value for field, own in zip(fields, values, strict=True) for value in computed.get(field.attname, ("", [own]))[1]]
    return Statement(sql, values)


def insert_new(rows: Sequence[Model]) -> list[Statement]:
    """Write those of these rows of one model that meet no other in a constraint."""
    if not rows:
        return []
    sql, _, values_of = _insert(type(rows[0]), (), len(rows), rows[0].pk is None, " ON CONFLICT DO NOTHING")
    return [Statement(sql, [value for row in rows for value in values_of(row)])]


@lru_cache(256)
def _insert(
    model: type[Model], computed: tuple[tuple[str, str], ...], rows: int, numbered: bool, end: str
) -> "tuple[str, list[Field[Any, Any]], Callable[[Model], tuple[Any, ...]]]":
    """The text, the fields that it names, and what gives a row's values of them. `numbered`: the database gives the rows their ids."""
    fields = [field for field in model._meta.concrete_fields if not (field.generated or (numbered and isinstance(field, AutoField)))]
    for field in fields:
        if field.has_db_default() and not field.has_default():
            raise TypeError(f"{model.__name__}.{field.attname}: give it a default in Python too, which is what is written")
        if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
            raise TypeError(f"{model.__name__}.{field.attname}: its value is made as it is saved, and nothing is saved here")
    columns = ", ".join(f'"{field.column}"' for field in fields)
    values = ", ".join(dict(computed).get(field.attname, "%s") for field in fields)
    sql = f'INSERT INTO "{model._meta.db_table}" ({columns}) VALUES {", ".join([f"({values})"] * rows)}{end}'  # noqa: S608 - our own
    return sql, fields, attrgetter(*(field.attname for field in fields))


def is_written(*rows: Model) -> None:
    """Let Django know what it did not write itself."""
    for row in rows:
        row._state.adding = False
        row._state.db = "default"
