"""Rows that the database itself keeps as they are, changed or emptied all the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.backends.sqlite3 import base  # its module of operations cannot be the first to be imported


@contextmanager
def tampering() -> Iterator[None]:
    """Within it no trigger keeps anybody from changing or deleting a row: what a proof has to find."""
    if connection.vendor == "postgresql":
        lift, again = ["SET session_replication_role = replica"], ["SET session_replication_role = DEFAULT"]
    else:
        lift, again = _triggers()
    _execute(lift)
    try:
        yield
    finally:
        _execute(again)


def empty_guarded_tables_too() -> None:
    """Have Django empty all tables of SQLite between tests that commit, those too whose rows may not be deleted."""
    operations: Any = base.DatabaseWrapper.ops_class
    usual = operations.sql_flush

    def sql_flush(self: Any, *args: Any, **named: Any) -> list[str]:
        lift, again = _triggers()
        return [*lift, *usual(self, *args, **named), *again]

    operations.sql_flush = sql_flush


def _triggers() -> tuple[list[str], list[str]]:
    """What drops those that there are in a file of SQLite, and what makes them again."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        found = cursor.fetchall()
    return [f"DROP TRIGGER {name}" for name, _ in found], [sql for _, sql in found]


def _execute(statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
