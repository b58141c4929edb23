"""Transactions of one kind, one after the other."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction
from django.db.models import Model


@contextmanager
def one_by_one(table: type[Model]) -> Iterator[None]:
    """A transaction while which nobody else writes to that table. Readers wait for nobody. On SQLite any that writes is so."""
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f'LOCK TABLE "{table._meta.db_table}" IN SHARE ROW EXCLUSIVE MODE')
        yield
