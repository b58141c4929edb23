"""What was sent and what came of it, and sending it again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from conduit import clock
from conduit.api.errors import Conflict, InvalidRequest
from conduit.api.formats import rfc3339
from keys import audit
from tasks.notifications.models import Delivery, Endpoint, State

# Counted no further: a log may hold a million.
COUNTED_MOST = 10_000
# Sent again by one call at most: the next one goes on.
REDELIVERED_MOST = 10_000


def counts(deliveries: QuerySet[Delivery]) -> dict[str, int]:
    """How many are in each state, up to COUNTED_MOST."""
    return {str(state): deliveries.filter(state=state).order_by()[:COUNTED_MOST].count() for state in State.values}


def shown(delivery: Delivery) -> dict[str, Any]:
    """`delivery` comes with its message and its tries."""
    return {
        "id": delivery.pk,
        "object": "webhook_delivery",
        "event_id": delivery.message_id,
        "event_type": delivery.message.type,
        "task_id": str(delivery.task_id) if delivery.task_id else None,
        "status": delivery.state,
        "is_test": delivery.message.is_test,
        "attempts": delivery.attempts,
        "status_code": delivery.status_code,
        "problem": delivery.problem or None,
        "created_at": rfc3339(delivery.created_at),
        "next_try_at": rfc3339(delivery.next_try_at) if delivery.state == State.PENDING else None,
        "ended_at": rfc3339(delivery.ended_at),
        "tries": [
            {
                "at": rfc3339(tried.began_at),
                "milliseconds": tried.milliseconds,
                "status_code": tried.status_code,
                "problem": tried.problem or None,
                "answer": tried.head or None,
            }
            for tried in delivery.tries.all()
        ],
    }


def chosen(
    deliveries: QuerySet[Delivery], *, status: str = "", after: datetime | None = None, before: datetime | None = None
) -> QuerySet[Delivery]:
    """Those that are to be sent again: what was given up, or all of a span of time.

    Raises:
        InvalidRequest: nothing says which.
    """
    if not status and after is None and before is None:
        raise InvalidRequest("Say what to send again: `status`, `created_after`, `created_before`, or some of them.", param="status")
    bounds: Mapping[str, Any] = {"state": status, "created_at__gte": after, "created_at__lt": before}
    return deliveries.exclude(state=State.PENDING).filter(**{name: value for name, value in bounds.items() if value})


def redeliver(deliveries: QuerySet[Delivery], *, of: Endpoint | str, who: str = audit.WHOEVER) -> int:
    """Send these again, under the ids that they had, as if they had never been tried: how many, of the oldest REDELIVERED_MOST.

    `of`: whose they are, an endpoint or a task as the audit names it, such as `task:12`.

    Raises:
        Conflict: the endpoint is disabled.
    """
    if isinstance(of, Endpoint) and of.disabled_at:
        raise Conflict("This webhook endpoint is disabled: enable it first.")
    with transaction.atomic():
        found = list(deliveries.exclude(state=State.PENDING).order_by("pk").values_list("pk", flat=True)[:REDELIVERED_MOST])
        again = Delivery.objects.filter(pk__in=found).exclude(state=State.PENDING)
        count = again.update(state=State.PENDING, ended_at=None, attempts=0, next_try_at=clock.now(), problem="")
        if count:
            audit.record(who=who, action="send again", target=of, deliveries=[None, count])
    return count
