"""What the doctor asks of mails."""

from collections.abc import Iterator

from django.conf import settings
from django.core.mail import get_connection

from conduit.conditions import Severity
from conduit.doctor import Finding
from conduit.logs import without_secrets
from tasks.notifications.models import Mail, State

ANSWER_SECONDS = 5


def mails_are_taken() -> Iterator[Finding]:
    """Whether the mail server takes a connection, with the login that it has; nothing is sent."""
    if not settings.EMAIL_HOST:
        yield Finding("There is no mail server (EMAIL_HOST): nobody gets mails.")
        return
    try:
        server = get_connection(timeout=ANSWER_SECONDS)
        server.open()
        server.close()
    except Exception as error:  # noqa: BLE001 - whatever a mail server says
        says = f"The mail server {settings.EMAIL_HOST} does not take mails: {type(error).__name__}, {without_secrets(str(error))[:200]}"
        yield Finding(says, Severity.DEGRADED, "See EMAIL_HOST, EMAIL_PORT, EMAIL_SECURITY and the login beside them.")
        return
    waiting = Mail.objects.filter(state=State.PENDING).count()
    told = len(settings.ALERT_EMAILS)
    yield Finding(f"The mail server answers; {waiting} mails wait, and {told} operators are told what is wrong (ALERT_EMAILS).")
