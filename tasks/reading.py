"""A key's tasks and the key's secret in one statement, for the ways in that do without Django's ORM."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from django.db.models import Model

from conduit.api.errors import NotFound
from conduit.statements import made_of
from keys.models import KeySecret, VirtualKey
from tasks import kinds
from tasks.models import Task
from tasks.presentation import SHOWN

# What authentication and the limits of a read look at.
_SECRET = ("id", "key_id", "expires_at")
_KEY = ("id", "enabled", "expires_at", "deleted_at", "reads_per_minute", "ip_ranges")


@dataclass(frozen=True, slots=True)
class Found:
    """The row of a secret with its key, and those tasks of the key that were asked for, with what showing them needs."""

    secret: KeySecret
    tasks: list[Task]


@dataclass(frozen=True)
class _Part:
    """Columns of one table in the row."""

    model: type[Model]
    alias: str
    names: Sequence[str]  # attributes, by which Django makes an instance of them

    @property
    def columns(self) -> list[str]:
        fields = {field.attname: field.column for field in self.model._meta.concrete_fields}
        return [f'{self.alias}."{fields[name]}"' for name in self.names]

    def rows(self, condition: str) -> str:
        """Its rows for which that holds, found before anything else is asked of them.

        OFFSET 0 keeps the planner from joining first. A plan is prepared once and used for long: one that was made when there were
        a few rows would read all tasks of a key, or all secrets, when there are many.
        """
        return f"(SELECT {', '.join(self.columns)} FROM {self.model._meta.db_table} {self.alias} WHERE {condition} OFFSET 0) {self.alias}"  # noqa: S608 - ours

    def made_of(self, values: Sequence[Any]) -> Any:
        return made_of(self.model, self.names, values)


@cache
def _parts() -> list[_Part]:
    related = [_Part(_related(name).related_model, f"r{number}", shown) for number, (name, shown) in enumerate(kinds.shown().items())]
    return [_Part(KeySecret, "s", _SECRET), _Part(VirtualKey, "k", _KEY), _Part(Task, "t", SHOWN), *related]


@cache
def statement() -> str:
    """SQL that gives the rows of `found`, of the digest of a secret and the id of a task."""
    return _statement("id = $2", " AND t.key_id = k.id")


@cache
def statement_of_newest() -> str:
    """SQL that gives the rows of `found`, of the digest of a secret and how many of the key's newest tasks."""
    return _statement("key_id = k.id ORDER BY id DESC LIMIT $2", "")


def _statement(tasks: str, of_key: str) -> str:
    secret, key, task, *related = _parts()
    columns = ", ".join(column for part in _parts() for column in part.columns)
    lateral = [
        f"LEFT JOIN LATERAL {part.rows(_related(name).field.column + ' = t.id')} ON true"
        for part, name in zip(related, kinds.shown(), strict=True)
    ]
    return (
        f"SELECT {columns} FROM {secret.rows('secret_hash = $1')} CROSS JOIN LATERAL {key.rows('id = s.key_id')} "  # noqa: S608 - ours
        f"LEFT JOIN LATERAL {task.rows(tasks)} ON true{of_key} {' '.join(lateral)}"
    )


def values(*, secret_hash: str, of: UUID | int) -> tuple[bytes, ...]:
    """Of either statement."""
    return secret_hash.encode(), str(of).encode()


def found(rows: Sequence[Sequence[Any]]) -> Found:
    """What the rows hold, as Django's own queries would have made it; other columns would be fetched when somebody asks for them."""
    of_secret, of_key, *others = _parts()
    begin, end = len(of_secret.names), len(of_secret.names) + len(of_key.names)
    secret = of_secret.made_of(rows[0][:begin])
    secret.key = of_key.made_of(rows[0][begin:end])
    return Found(secret, [_task_of(row, others, end) for row in rows if row[end] is not None])


def _task_of(row: Sequence[Any], parts: Sequence[_Part], begin: int) -> Task:
    made: list[Any] = []
    for part in parts:
        end = begin + len(part.names)
        made.append(part.made_of(row[begin:end]) if row[begin] is not None else None)
        begin = end
    task: Task
    task, *related = made
    for relation, one in zip(_relations(), related, strict=True):
        relation.set_cached_value(task, one)  # not the other way too: two that hold each other are left for the garbage collection
    return task


def not_found() -> NotFound:
    """What the key is told when it has no task of that id; another key's is no exception."""
    return NotFound("This key has no task of that id.", code="task_not_found", param="task_id")


@cache
def _relations() -> list[Any]:
    return [_related(name) for name in kinds.shown()]


def _related(name: str) -> Any:
    return Task._meta.get_field(name)
