"""The database as migrations leave it, again after every test that commits: only what such a test changed is put back.

Django empties every table and loads every row anew, which takes 0.4 s of processors for each test; this takes a hundredth.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.test import TransactionTestCase
from psycopg import sql
from pytest_django import DjangoDbBlocker

from tests.support.tampering import empty_guarded_tables_too

_LARGE_BYTES = 1 << 18

empty_guarded_tables_too()  # on SQLite, where Django's own way stays


class Snapshot:
    """All rows of Django's tables in PostgreSQL."""

    def __init__(self) -> None:
        with connection.cursor() as cursor:
            names = connection.introspection.django_table_names(only_existing=True, include_views=False)
            rows = {name: _rows(cursor, name) for name in names}
            self._rows = {name: data for name, data in rows.items() if data}
            self._empty = sorted(rows.keys() - self._rows.keys())
            self._sums = _sums(cursor, list(self._rows))

    def restore(self) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            sums = _sums(cursor, list(self._rows))
            changed = [name for name, sum_ in self._sums.items() if sums[name] != sum_]
            dirty = [*_filled(cursor, self._empty), *changed]
            if not dirty:
                return
            # Neither the order of foreign keys nor triggers that keep rows from being deleted count for this.
            cursor.execute("SET LOCAL session_replication_role = replica")
            if _largest(cursor, dirty) > _LARGE_BYTES:
                # What deleted rows leave behind would be in the way of tests that look at plans.
                cursor.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(map(sql.Identifier, [*self._empty, *self._rows]))))
                changed = list(self._rows)
            else:
                for name in dirty:
                    cursor.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
            for name in changed:
                with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(name))) as copy:
                    copy.write(self._rows[name])
                _count_on(cursor, name)


@contextmanager
def restored_by_snapshot(blocker: DjangoDbBlocker) -> Iterator[None]:
    """Tests that commit leave no trace: what the database holds now is what each of them finds."""
    with blocker.unblock():
        snapshot = Snapshot()
    if hasattr(connection, "_test_serialized_contents"):  # in a run that has such tests
        del connection._test_serialized_contents  # else each of them loads it first

    def put_back(_: TransactionTestCase) -> None:
        snapshot.restore()

    with mock.patch.object(TransactionTestCase, "_fixture_teardown", put_back):
        yield


def _count_on(cursor: CursorWrapper, name: str) -> None:
    """Have new ids begin after those that are there: a table that migrations made anew counts from 1."""
    set_to = sql.SQL("SELECT setval({0}, GREATEST(nextval({0}), (SELECT max({1}) FROM {2})))")
    for found in connection.introspection.get_sequences(cursor, name):
        cursor.execute(set_to.format(sql.Literal(found["name"]), sql.Identifier(found["column"]), sql.Identifier(name)))


def _rows(cursor: CursorWrapper, name: str) -> bytes:
    with cursor.copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(name))) as copy:
        return b"".join(bytes(block) for block in copy)


def _sums(cursor: CursorWrapper, names: list[str]) -> dict[str, str]:
    one = sql.SQL("SELECT {}, md5(string_agg(row::text, '\n' ORDER BY row::text)) FROM {} row")
    cursor.execute(sql.SQL(" UNION ALL ").join(one.format(sql.Literal(name), sql.Identifier(name)) for name in names))
    return dict(cursor.fetchall())


def _filled(cursor: CursorWrapper, names: list[str]) -> list[str]:
    one = sql.SQL("SELECT {} WHERE EXISTS (SELECT FROM {})")
    cursor.execute(sql.SQL(" UNION ALL ").join(one.format(sql.Literal(name), sql.Identifier(name)) for name in names))
    return [name for (name,) in cursor.fetchall()]


def _largest(cursor: CursorWrapper, names: list[str]) -> int:
    """In bytes, with what was deleted and not yet cleared away."""
    cursor.execute("SELECT max(pg_relation_size(name::regclass)) FROM unnest(%s::text[]) name", [names])
    return int(cursor.fetchone()[0])
