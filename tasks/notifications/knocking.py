"""Finding out that a receiver is back, which the times of tries may only do hours later.

While a receiver fails, the oldest of what it has pending is sent to it now and then, although its turn has not come. That counts as no
try, and is in no log unless it arrives: then everything that waits becomes due.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from tasks.notifications import locks
from tasks.notifications.claims import Claim
from tasks.notifications.models import Delivery, Endpoint, FailingHost

# Between two calls of one that fails, in its first hours and after them.
OFTEN, SELDOM = timedelta(seconds=45), timedelta(minutes=10)
FIRST_HOURS = timedelta(hours=6)


def knock(now: datetime, limit: int) -> list[Claim]:
    """Claim a delivery for each receiver that fails and was not called for a while, so many at most."""
    long_ago = {"tried_at__lte": now - OFTEN}
    endpoints = Endpoint.objects.filter(failing_since__isnull=False, disabled_at=None, **long_ago).order_by("tried_at")
    hosts = FailingHost.objects.filter(**long_ago).order_by("tried_at")
    silent: list[Endpoint | FailingHost] = [*endpoints[:limit], *hosts[:limit]]
    found = [receiver for receiver in silent if _is_time(receiver, now)]
    return [claim for receiver in found[:limit] if (claim := _claim(receiver, now))]


def _is_time(receiver: Endpoint | FailingHost, now: datetime) -> bool:
    assert receiver.failing_since and receiver.tried_at  # noqa: S101, PT018 - it was asked for
    return now - receiver.tried_at >= (OFTEN if now - receiver.failing_since < FIRST_HOURS else SELDOM)


def _claim(receiver: Endpoint | FailingHost, now: datetime) -> Claim | None:
    token = uuid4()
    with transaction.atomic():
        locks.take(locks.CLAIM)
        rows: QuerySet[Any] = type(receiver)._default_manager.filter(pk=receiver.pk)
        rows.filter(tried_at=receiver.tried_at).update(tried_at=now)
        pending = Delivery.objects.pending().filter(target=receiver.target)
        # The oldest of all is no task's second.
        oldest = pending.order_by("pk").first()
        if oldest is None:
            FailingHost.objects.filter(pk=receiver.target).delete()  # nobody asks how it is any more
            return None
        if pending.filter(lease_until__gt=now).exists():
            return None
        lease = {"lease_token": token, "lease_until": now + timedelta(seconds=settings.LEASE_SECONDS)}
        Delivery.objects.filter(pk=oldest.pk).update(**lease)
    return Claim(Delivery.objects.select_related("message", "endpoint").get(pk=oldest.pk), token, is_knock=True, fails=True)
