"""Audit rows are kept for AUDIT_KEPT_DAYS, or for good: nobody deletes one but this, and PostgreSQL sees to it that it is old enough."""

from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction

from conduit import clock
from conduit.batches import BATCH, BATCHES_MAX
from keys.models import AuditEntry

# PostgreSQL lets none go that is younger, whatever is asked (keys/migrations/0021).
DAYS_LEAST = 30

_TABLE = AuditEntry._meta.db_table
_DELETE = f"DELETE FROM {_TABLE} WHERE id IN (SELECT id FROM {_TABLE} WHERE created_at < %s ORDER BY created_at LIMIT {BATCH})"  # noqa: S608 - our table


def forget_old() -> int:
    """Delete the rows that were kept long enough, some at a time. How many there were."""
    if not settings.AUDIT_KEPT_DAYS:
        return 0
    before, deleted = clock.now() - timedelta(days=settings.AUDIT_KEPT_DAYS), 0
    for _ in range(BATCHES_MAX):
        with transaction.atomic(), connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET LOCAL conduit.forgets_audit = 'on'")
            cursor.execute(_DELETE, [connection.ops.adapt_datetimefield_value(before)])
            count = cursor.rowcount
        deleted += count
        if count < BATCH:
            break
    return deleted
