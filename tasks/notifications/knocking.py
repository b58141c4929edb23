"""Finding out that a receiver is back, which the times of tries may only do hours later.

While an endpoint fails, the oldest of what it has pending is sent to it now and then, although its turn has not come. That counts as no
try, and is in no log unless it arrives: then everything that waits becomes due.
"""

from datetime import datetime, timedelta
from uuid import uuid4

from django.conf import settings
from django.db import transaction

from tasks.notifications import locks
from tasks.notifications.claims import Claim
from tasks.notifications.models import Delivery, Endpoint

# Between two calls of an endpoint that fails, in its first hours and after them.
OFTEN, SELDOM = timedelta(seconds=45), timedelta(minutes=10)
FIRST_HOURS = timedelta(hours=6)


def knock(now: datetime, limit: int) -> list[Claim]:
    """Claim a delivery for each endpoint that fails and was not called for a while, so many at most."""
    silent = Endpoint.objects.filter(failing_since__isnull=False, disabled_at=None, tried_at__lte=now - OFTEN)
    found = [endpoint for endpoint in silent.order_by("tried_at")[:limit] if _is_time(endpoint, now)]
    return [claim for endpoint in found if (claim := _claim(endpoint, now))]


def _is_time(endpoint: Endpoint, now: datetime) -> bool:
    assert endpoint.failing_since and endpoint.tried_at  # noqa: S101, PT018 - it was asked for
    return now - endpoint.tried_at >= (OFTEN if now - endpoint.failing_since < FIRST_HOURS else SELDOM)


def _claim(endpoint: Endpoint, now: datetime) -> Claim | None:
    token = uuid4()
    with transaction.atomic():
        locks.take(locks.CLAIM)
        Endpoint.objects.filter(pk=endpoint.pk, tried_at=endpoint.tried_at).update(tried_at=now)
        pending = Delivery.objects.pending().filter(target=endpoint.public_id)
        # The oldest of all is no task's second.
        oldest = pending.order_by("pk").first()
        if oldest is None or pending.filter(lease_until__gt=now).exists():
            return None
        lease = {"lease_token": token, "lease_until": now + timedelta(seconds=settings.LEASE_SECONDS)}
        Delivery.objects.filter(pk=oldest.pk).update(**lease)
    return Claim(Delivery.objects.select_related("message", "endpoint").get(pk=oldest.pk), token, is_knock=True)
