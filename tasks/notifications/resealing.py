"""Sealing signing secrets with SECRET_KEY as it is now: then its former value is needed no more."""

from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from keys import audit
from tasks.notifications import signing
from tasks.notifications.models import Endpoint, KeySigning

# Of a key that was deleted nothing is sent any more.
ENDPOINTS: QuerySet[Any] = Endpoint.objects.exclude(key__deleted_at__isnull=False).select_related("key", "team")
SECRETS_OF_KEYS: QuerySet[Any] = KeySigning.objects.filter(key__deleted_at=None).select_related("key")


def name_of(row: Endpoint | KeySigning) -> str:
    """Whose secret it is, for people."""
    return f"{row} of {row.owner}" if isinstance(row, Endpoint) else f"the webhook secret of key {row.key}"


@dataclass
class Resealed:
    """What came of it: how many secrets were sealed anew, how many needed it not, and whose nothing opens."""

    resealed: int = 0
    current: int = 0
    lost: list[str] = field(default_factory=list)


def reseal(*, who: str = audit.WHOEVER) -> Resealed:
    """Seal each secret with SECRET_KEY as it is now, which all processes have to know by then."""
    done = Resealed()
    for rows in ENDPOINTS, SECRETS_OF_KEYS:
        for row in rows.order_by("pk").iterator():
            _reseal(row, done, who)
    return done


def _reseal(row: Endpoint | KeySigning, done: Resealed, who: str) -> None:
    try:
        anew = signing.sealed_anew(row)
    except signing.Lost:
        done.lost.append(name_of(row))
        return
    if not anew:
        done.current += 1
        return
    with transaction.atomic():
        # One that was replaced meanwhile is sealed so already.
        if type(row)._default_manager.filter(pk=row.pk, sealed_secret=row.sealed_secret).update(**anew):
            audit.record(who=who, action="seal anew", target=row if isinstance(row, Endpoint) else row.key)
            done.resealed += 1
