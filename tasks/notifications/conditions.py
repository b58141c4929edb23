"""What can be wrong with the sending of webhooks."""

from datetime import timedelta

from conduit import clock
from conduit.conditions import Condition, Severity
from conduit.conditions.processes import nobody_of
from conduit.conditions.registry import Findings
from conduit.conditions.sealed import sealed_before
from tasks.notifications import claims, seals
from tasks.notifications.models import Endpoint, Mail, State
from tasks.notifications.signing import Seal

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


# A mail that was refused is tried again after a minute: what waits longer was refused more than once.
MAILS_LATE = timedelta(minutes=5)


def _mails() -> Findings:
    waits = Mail.objects.filter(state=State.PENDING, created_at__lt=clock.now() - MAILS_LATE).order_by("next_try_at")
    problems = waits.exclude(problem="").values_list("problem", flat=True)
    return {"": f"Of the last try: {problems[0]}"} if problems[:1] else {}


SURVEY = seals.Survey()


def _sealed_before() -> Findings:
    return SURVEY.of(Seal.FORMER)


def _lost() -> Findings:
    return SURVEY.of(Seal.LOST)


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
        leads_to="webhooks/?state=failing",
    ),
    Condition(
        name="late_mails",
        severity=Severity.NOTICE,
        says="The mail server does not take mails: nobody is told by mail.",
        found_by=f"Some have waited for more than {MAILS_LATE.seconds // 60} minutes, and were refused.",
        what_to_do="See EMAIL_HOST, EMAIL_PORT, EMAIL_SECURITY and the login beside them; `manage.py doctor` asks the server. What "
        "waits is tried again for two days.",
        look=_mails,
        leads_to="webhooks/mails/?state=waiting",
    ),
    sealed_before(
        name="webhook_secrets_sealed",
        what="Signing secrets of webhooks",
        command="reseal_webhook_secrets",
        look=_sealed_before,
        leads_to="webhooks/",
    ),
    Condition(
        name="webhook_secrets_lost",
        severity=Severity.DEGRADED,
        says="Signing secrets of webhooks cannot be opened: what they sign is not sent.",
        found_by="Neither SECRET_KEY nor one of SECRET_KEY_FALLBACKS opens them.",
        what_to_do="Put the former SECRET_KEY into SECRET_KEY_FALLBACKS, restart all processes and run `manage.py reseal_webhook_secrets`. "
        "If nobody has it any more, rotate each secret (console, on the page of the endpoint or key), and give it to the receiver.",
        look=_lost,
        leads_to="webhooks/",
    ),
)
