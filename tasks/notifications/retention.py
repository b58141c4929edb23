"""What was told, and the log of telling it, is kept for WEBHOOKS_KEPT_DAYS."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from conduit import batches
from tasks.notifications.models import Delivery, Mail, Message, State, TaskTarget

BATCH = 500
# Batches of one run: what is left is for the next one.
BATCHES_MAX = 40
# What is told once is known for longer than there is an occasion to tell it (notifications.key_sources.EXPIRING).
ONCE_LEAST = timedelta(days=8)
# A task has ended by then, and its webhooks were sent or given up.
TASK_TARGETS_LEAST = timedelta(days=14)


def forget_old(now: datetime) -> int:
    """Delete messages that were told long ago, with their deliveries and tries; how many. None that somebody still waits for."""
    kept = timedelta(days=settings.WEBHOOKS_KEPT_DAYS)
    waited_for = Delivery.objects.pending().filter(message=OuterRef("pk"))
    forgotten = 0
    for _ in range(BATCHES_MAX):
        old = _old(Message.objects.filter(~Exists(waited_for)), now, kept).order_by("created_at")
        found = list(old.values_list("pk", flat=True)[:BATCH])
        Message.objects.filter(pk__in=found).delete()
        forgotten += len(found)
        if len(found) < BATCH:
            break
    batches.delete(_old(Mail.objects.exclude(state=State.PENDING), now, kept))
    batches.delete(TaskTarget.objects.filter(created_at__lt=now - max(kept, TASK_TARGETS_LEAST)))
    return forgotten


def _old(rows: QuerySet[Any], now: datetime, kept: timedelta) -> QuerySet[Any]:
    return rows.filter(Q(once=None) | Q(created_at__lt=now - ONCE_LEAST), created_at__lt=now - kept)
