"""Deleting much, some at a time: nobody waits long for the rows of one batch."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet

BATCH = 1000
# Batches of one run: what is left is for the next one.
BATCHES_MAX = 50


def delete(rows: QuerySet[Any, Any]) -> int:
    """Delete rows, each batch in a transaction of its own. How many there were. Nothing may hang on them that Django would delete too."""
    deleted = 0
    for _ in range(BATCHES_MAX):
        ids = list(rows.order_by().values_list("pk", flat=True)[:BATCH])
        with transaction.atomic():
            found = rows.model._default_manager.filter(pk__in=ids)
            found._raw_delete(found.db)
        deleted += len(ids)
        if len(ids) < BATCH:
            break
    return deleted
