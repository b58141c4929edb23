"""Up to which id everything is there of a table that is only ever added to.

Ids are given out in order, but become visible in the order of the commits: a reader that has seen id 6 may find 5 later. A transaction
that may still commit a lower id holds the lock that PostgreSQL takes for an INSERT before it gives out the id: when all are gone that
held it after some id was seen, nothing below that id is still to come. Nobody is kept waiting for that, and writers do nothing for it.
"""

import time

from django.db import connection, models

# Those that are at work on the table are usually gone within milliseconds.
WAIT_SECONDS, TRIES = 0.01, 5

_WRITERS = """
SELECT virtualtransaction FROM pg_locks
WHERE locktype = 'relation' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND relation = %s::regclass AND mode = 'RowExclusiveLock' AND granted AND pid IS DISTINCT FROM pg_backend_pid()
"""

# By table: an id that was seen, and who was at work on the table then and still was when we looked last.
_waited_for: dict[str, tuple[int, frozenset[str]]] = {}


def settled_id(model: type[models.Model], *, above: int) -> int:
    """The id up to which every row is there or never comes; `above` while none above it is known to be. Call it outside transactions.

    It asks a few times within 50 ms. Of an id whose writers took longer the next call knows more.
    """
    table = model._meta.db_table
    newest: int = model._default_manager.order_by("-pk").values_list("pk", flat=True).first() or 0
    if newest <= above or connection.vendor != "postgresql":
        return max(newest, above)  # SQLite has one writer at a time
    seen = writers = _writers(table)
    for _ in range(TRIES):
        if not writers:
            _waited_for.pop(table, None)
            return newest
        time.sleep(WAIT_SECONDS)
        seen = _writers(table)
        writers &= seen
    earlier, before = _waited_for.get(table, (0, seen))
    if earlier > above and before & seen:
        _waited_for[table] = (earlier, before & seen)
        return above
    _waited_for[table] = (newest, writers)
    return max(earlier, above)


def _writers(table: str) -> frozenset[str]:
    with connection.cursor() as cursor:
        cursor.execute(_WRITERS, [table])
        return frozenset(found for (found,) in cursor.fetchall())
