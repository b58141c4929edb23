"""Mails: written with what they tell of, and sent when the mail server takes them."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Q
from django.template.loader import render_to_string

from conduit import clock
from conduit.logs import without_secrets
from tasks.notifications import locks
from tasks.notifications.models import WORDS_CHARACTERS, Mail, State

log = structlog.get_logger(__name__)

# The pause before each try, in seconds.
PAUSES = (0, 60, 300, 1800, 7200, 21_600, 43_200, 86_400)
# Longer than a mail server may take for one (EMAIL_TIMEOUT).
LEASE = timedelta(seconds=120)
# Of one look: a mail server that is slow keeps nothing else waiting.
BATCH = 10
_SUBJECT_CHARACTERS = 180


def write(template: str, to: Iterable[str], context: Mapping[str, Any], *, once: str | None = None) -> int:
    """Write a mail to each of these addresses, and give how many; nothing where the place has no mail server. Belongs inside the
    transaction of what it tells of.

    `template`: of templates/notifications/mail; its first line is the subject. `once`: what one address is told but once (`unwritten`).
    """
    addresses = list(dict.fromkeys(filter(None, to)))
    if not addresses or not settings.EMAIL_HOST:
        return 0
    place = {"public_url": settings.PUBLIC_URL, "host": urlsplit(settings.PUBLIC_URL).hostname}
    text = render_to_string(f"notifications/mail/{template}.txt", {**place, **context})
    subject, _, body = text.strip().partition("\n")
    one_line = " ".join(subject.split())[:_SUBJECT_CHARACTERS]
    written = [Mail(to=address, subject=one_line, body=body.strip() + "\n", once=once) for address in addresses]
    return len(Mail.objects.bulk_create(written))


def unwritten(names: Collection[str]) -> set[str]:
    """Those of these of which nobody was told yet; none where the place has no mail server."""
    if not names or not settings.EMAIL_HOST:
        return set()
    return set(names) - set(Mail.objects.filter(once__in=names).values_list("once", flat=True))


def send_due(now: datetime | None = None) -> int:
    """Send what is due, one after the other: how many tries that took. A process that dies in between may send one twice."""
    tried = 0
    for mail in _claimed(now or clock.now()):
        problem = _sent(mail)
        _note(mail, problem)
        tried += 1
    return tried


def _claimed(now: datetime) -> list[Mail]:
    token = uuid4()
    with transaction.atomic():
        locks.take(locks.CLAIM)
        free = Mail.objects.filter(Q(lease_until=None) | Q(lease_until__lte=now), state=State.PENDING, next_try_at__lte=now)
        chosen = list(free.order_by("next_try_at").values_list("pk", flat=True)[:BATCH])
        Mail.objects.filter(pk__in=chosen).update(lease_token=token, lease_until=now + LEASE)
    return list(Mail.objects.filter(pk__in=chosen, lease_token=token).order_by("pk")) if chosen else []


def _sent(mail: Mail) -> str:
    """Why it could not be sent, in a few words; empty: it was."""
    try:
        EmailMessage(mail.subject, mail.body, settings.DEFAULT_FROM_EMAIL, [mail.to]).send()
    except Exception as error:  # noqa: BLE001 - whatever a mail server or the network does, the next try may be better
        log.warning("mail not sent", mail=mail.pk, error=f"{type(error).__name__}: {without_secrets(str(error))[:200]}")
        return f"{type(error).__name__}: {without_secrets(str(error))}"[:WORDS_CHARACTERS]
    return ""


def _note(mail: Mail, problem: str) -> None:
    now, attempts = clock.now(), mail.attempts + 1
    fields: dict[str, Any] = {"attempts": attempts, "problem": problem, "lease_token": None, "lease_until": None}
    if not problem:
        fields |= {"state": State.DELIVERED, "ended_at": now}
    elif attempts >= len(PAUSES):
        fields |= {"state": State.FAILED, "ended_at": now}
    else:
        fields |= {"next_try_at": now + timedelta(seconds=PAUSES[attempts])}
    Mail.objects.filter(pk=mail.pk, lease_token=mail.lease_token).update(**fields)
