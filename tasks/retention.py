"""Events are kept for EVENTS_KEPT_DAYS, and those of tasks under way for longer."""

from collections import defaultdict
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest

from conduit.rollups.counting import forget_before, position_of
from tasks import rollups
from tasks.models import ACTIVE, Feed, TaskEvent

BATCH = 1000
# Batches of one run: what is left is for the next one.
BATCHES_MAX = 50


def forget_old_events(now: datetime) -> int:
    """Delete old events of ended tasks, and note from where on each key's history is still whole. How many there were.

    None that roll-ups have not counted yet.
    """
    forgotten = 0
    for _ in range(BATCHES_MAX):
        old = TaskEvent.objects.filter(created_at__lt=now - timedelta(days=settings.EVENTS_KEPT_DAYS)).exclude(task__status__in=ACTIVE)
        counted = old.filter(pk__lte=position_of(rollups.NAME))
        found = list(counted.order_by("created_at").values_list("pk", "key_id", "position", "created_at")[:BATCH])
        if found and not forget_before(rollups.NAME, found[-1][-1]):
            break
        rows = [(pk, key_id, position) for pk, key_id, position, _ in found]
        _forget(rows)
        forgotten += len(rows)
        if len(rows) < BATCH:
            break
    return forgotten


def _forget(rows: list[tuple[int, int, int]]) -> None:
    of_key = defaultdict(list)
    for pk, key_id, position in rows:
        of_key[key_id].append((pk, position))
    for key_id, events in of_key.items():
        newest = max(position for _, position in events)
        with transaction.atomic():
            Feed.objects.filter(pk=key_id).update(kept_from=Greatest(F("kept_from"), newest + 1))
            TaskEvent.objects.filter(pk__in=[pk for pk, _ in events]).delete()
