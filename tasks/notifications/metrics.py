"""What is told of webhooks and mails (conduit.metrics)."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from django.db.models import Count as Rows
from django.db.models import Q

from conduit import clock, metrics
from conduit.metrics import Count, Gauge, Reading, Sample, Times
from conduit.metrics.registry import SHORT
from tasks.notifications import claims
from tasks.notifications.models import Delivery, Endpoint, Mail, State

if TYPE_CHECKING:
    from tasks.notifications.outcomes import Tried

TRIES = Count("conduit_webhook_tries_total", "Calls of receivers of webhooks, by their answer: 2xx to 5xx, or none.", ("answer",))
ANSWERED = Times("conduit_webhook_answered_seconds", "How long receivers took to answer.", bounds=SHORT)
RECEIVED = Times("conduit_webhook_received_seconds", "From what happened until a receiver took it at the first try.")
COUNTED = (TRIES, ANSWERED, RECEIVED)

PENDING = Gauge("conduit_webhooks_pending", "Webhooks that wait for their time, their receiver, or the one before them: 10,000 at most.")
OLDEST_DUE = Gauge("conduit_webhooks_oldest_due_seconds", "For how long the first webhook has been due whose receiver is well.")
ENDPOINTS = Gauge("conduit_webhook_endpoints", "Webhook endpoints, by whether they are well, failing or disabled.", ("state",))
MAILS = Gauge("conduit_mails_pending", "Mails that the mail server has not taken yet.")

_COUNTED_MOST = 10_000


def note(tried: Sequence["Tried"]) -> None:
    """Count tries whose end was written. Those that only find out whether a receiver is back are none."""
    for one in tried:
        if one.claim.is_knock and not one.outcome.arrived:
            continue
        status = one.outcome.status_code
        metrics.note(TRIES, f"{status // 100}xx" if status else "none")
        if status:
            metrics.note_seconds(ANSWERED, seconds=one.outcome.seconds)
        if one.outcome.arrived and not one.claim.delivery.attempts:
            happened_at = one.claim.delivery.message.happened_at
            took = (one.outcome.began_at - happened_at).total_seconds() + one.outcome.seconds
            metrics.note_seconds(RECEIVED, seconds=max(0.0, took))


def _read() -> Iterator[Sample]:
    now = clock.now()
    yield PENDING.of(value=Delivery.objects.pending().order_by()[:_COUNTED_MOST].count())
    oldest = claims.oldest_due(now)
    yield OLDEST_DUE.of(value=max(0.0, (now - oldest).total_seconds()) if oldest else 0.0)
    states = Endpoint.objects.aggregate(
        well=Rows("pk", filter=Q(disabled_at=None, failing_since=None)),
        failing=Rows("pk", filter=Q(disabled_at=None, failing_since__isnull=False)),
        disabled=Rows("pk", filter=Q(disabled_at__isnull=False)),
    )
    for state, count in states.items():
        yield ENDPOINTS.of(state, value=count)
    yield MAILS.of(value=Mail.objects.filter(state=State.PENDING).count())


STANDING = Reading("webhooks", (PENDING, OLDEST_DUE, ENDPOINTS, MAILS), _read)
