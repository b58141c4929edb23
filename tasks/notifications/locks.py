"""What one process does at a time, for as long as a transaction: PostgreSQL's advisory locks. SQLite has one writer anyway."""

from django.db import connection

# Numbers of this database's own: "hook", and which.
FAN_OUT, CLAIM, ALERTS = 0x686F6F6B0001, 0x686F6F6B0002, 0x686F6F6B0003


def taken(number: int) -> bool:
    """Whether nobody else is at it; then nobody will be until this transaction ends."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        return bool(cursor.fetchone()[0])


def take(number: int) -> None:
    """Wait until nobody else is at it."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])
