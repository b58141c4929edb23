"""How tables are filled with a million rows: their indexes are made in the end, of all rows at once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import connection

# Those that hold nothing: neither primary keys nor what a constraint stands on.
_INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid = ANY(%s::regclass[]) AND NOT indisprimary AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""


@contextmanager
def indexes_in_the_end(tables: Sequence[str]) -> Iterator[None]:
    """The block fills these tables of PostgreSQL, and asks nothing of them that an index would have to help with."""
    with connection.cursor() as cursor:
        cursor.execute(_INDEXES, [list(tables)])
        indexes = dict(cursor.fetchall())
        if indexes:
            cursor.execute(f"DROP INDEX {', '.join(indexes)}")
        yield
        cursor.execute("SET maintenance_work_mem = '512MB'")
        for made_by in indexes.values():
            cursor.execute(made_by)
        cursor.execute("RESET maintenance_work_mem")
