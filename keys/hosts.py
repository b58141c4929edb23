"""Draining a host: what those who run the place do before they take it away."""

from django.db import transaction
from django.db.models.functions import Now

from conduit.conditions import refresh
from conduit.conditions.drains import DRAINED
from conduit.conditions.models import DrainedHost
from keys import audit


def drain(host: str, *, who: str = audit.WHOEVER, by: str) -> bool:
    """Have its processes take nothing new; False when they do so already. `by`: as the condition names who did it."""
    with transaction.atomic():
        _, is_new = DrainedHost.objects.get_or_create(host=host, defaults={"since": Now(), "by": by})
        if is_new:
            audit.record(who=who, action="drain", target=f"host:{host}")
    refresh(DRAINED.name)
    return is_new


def end_drain(host: str, *, who: str = audit.WHOEVER) -> bool:
    """Let them take work again; False when they did."""
    with transaction.atomic():
        deleted, _ = DrainedHost.objects.filter(host=host).delete()
        if deleted:
            audit.record(who=who, action="end drain", target=f"host:{host}")
    refresh(DRAINED.name)
    return bool(deleted)
