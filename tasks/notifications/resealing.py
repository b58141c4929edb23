"""Sealing signing secrets with SECRET_KEY as it is now: then its former value is needed no more."""

from dataclasses import dataclass, field

from cryptography.fernet import InvalidToken
from django.db import transaction

from keys import audit
from tasks.notifications import signing
from tasks.notifications.models import Endpoint, KeySigning


@dataclass
class Resealed:
    """What came of it: how many secrets were sealed anew, how many needed it not, and whose nothing opens."""

    resealed: int = 0
    current: int = 0
    lost: list[str] = field(default_factory=list)


def reseal(*, who: str = audit.WHOEVER) -> Resealed:
    """Seal each secret with SECRET_KEY as it is now, which all processes have to know by then."""
    done = Resealed()
    for endpoint in Endpoint.objects.select_related("key", "team").order_by("pk").iterator():
        _reseal(endpoint, f"{endpoint} of {endpoint.owner}", done, who)
    for row in KeySigning.objects.select_related("key").order_by("pk").iterator():
        _reseal(row, f"the webhook secret of key {row.key}", done, who)
    return done


def _reseal(row: Endpoint | KeySigning, name: str, done: Resealed, who: str) -> None:
    try:
        anew = signing.sealed_anew(row)
    except InvalidToken:
        done.lost.append(name)
        return
    if not anew:
        done.current += 1
        return
    with transaction.atomic():
        # One that was replaced meanwhile is sealed so already.
        if type(row)._default_manager.filter(pk=row.pk, sealed_secret=row.sealed_secret).update(**anew):
            audit.record(who=who, action="seal anew", target=row if isinstance(row, Endpoint) else row.key)
            done.resealed += 1
