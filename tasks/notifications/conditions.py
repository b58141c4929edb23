"""What can be wrong with the sending of webhooks."""

from datetime import timedelta

from conduit import clock
from conduit.conditions import Condition, Severity
from conduit.conditions.processes import nobody_of
from conduit.conditions.registry import Findings
from tasks.notifications import claims
from tasks.notifications.models import Endpoint

# A due delivery is taken within a second where its receiver has a free connection.
LATE_SECONDS = 60
# An endpoint that has failed for so long is worth a look; after five days it is disabled.
FAILING = timedelta(hours=1)
_SHOWN = 20


def _late() -> Findings:
    now = clock.now()
    oldest = claims.oldest_due(now)
    return {"": "Some wait for longer than a minute."} if oldest and (now - oldest).total_seconds() > LATE_SECONDS else {}


def _failing() -> Findings:
    failing = Endpoint.objects.filter(disabled_at=None, failing_since__lt=clock.now() - FAILING).select_related("key", "team")
    return {
        endpoint.public_id: f"{endpoint.name} of {endpoint.owner} fails since {endpoint.failing_since:%Y-%m-%d %H:%M} UTC."
        for endpoint in failing.order_by("failing_since")[:_SHOWN]
    }


CONDITIONS = (
    Condition(
        name="notifications_workers",
        severity=Severity.DEGRADED,
        says="No process sends webhooks: nobody is told of what happens.",
        found_by="Each says every 5 seconds that it is at work; none was heard for 30.",
        what_to_do="Start the Procfile's `notifications`, and see its log when it runs already.",
        look=nobody_of("notifications"),
    ),
    Condition(
        name="late_webhooks",
        severity=Severity.DEGRADED,
        says="Webhooks are sent late.",
        found_by=f"Some have been due for more than {LATE_SECONDS} seconds.",
        what_to_do="See that `notifications` is at work and reaches the database; raise WEBHOOK_CONNECTIONS, or start another, when many "
        "receivers are slow. A single receiver that takes long delays its own alone.",
        look=_late,
    ),
    Condition(
        name="failing_webhook_endpoints",
        severity=Severity.NOTICE,
        says="Webhook endpoints do not answer as they should.",
        found_by="None of their deliveries has succeeded for an hour.",
        what_to_do="Look at the log of the endpoint, and tell its owner. After five days it is disabled.",
        look=_failing,
    ),
)
