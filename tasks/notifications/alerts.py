"""What operators are told by mail: what goes wrong with the place, once when it begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from conduit import clock
from conduit.conditions.reading import Place, place
from conduit.conditions.registry import Condition, Severity
from tasks.notifications import locks, mails
from tasks.notifications.models import Alert

# What passes by itself within this time is on the console's Now, and in no mail.
HOLDS_FOR = timedelta(seconds=20)
# What ends and comes back within this time is the same trouble, of which was told.
SAME_WITHIN = timedelta(minutes=30)
# One mail names no more than this.
NAMED_MOST = 20
# Budgets are told of by each of their thresholds (notifications.key_sources).
_TOLD_OTHERWISE = frozenset({"budgets"})


@dataclass(frozen=True)
class Trouble:
    """A condition that holds for a subject."""

    condition: Condition
    subject: str
    detail: str
    since: datetime


def is_told(condition: Condition) -> bool:
    """Whether operators get mails of it: of all that keeps work waiting, or worse."""
    return condition.severity >= Severity.DEGRADED and condition.name not in _TOLD_OTHERWISE


def look() -> int:
    """Write mails of what began to be wrong since, if somebody is to get them; how many troubles are new."""
    if not settings.ALERT_EMAILS:
        return 0
    now = clock.now()
    found = _troubles(place(), now)
    with transaction.atomic():
        if not locks.taken(locks.ALERTS):
            return 0
        new = _note(found, now)
        if new:
            context = {"troubles": new[:NAMED_MOST], "more": len(new) - NAMED_MOST, "others": len(new) - 1}
            mails.write("conditions", settings.ALERT_EMAILS, context)
    return len(new)


def _troubles(of: Place, now: datetime) -> list[Trouble]:
    return [
        Trouble(state.condition, subject.subject, subject.detail, subject.since or now)
        for state in of.holding
        if is_told(state.condition)
        for subject in state.subjects
    ]


def _note(found: Sequence[Trouble], now: datetime) -> list[Trouble]:
    """Keep what holds, and give what is to be told of."""
    known = {(row.name, row.subject): row for row in Alert.objects.all()}
    holding = {(one.condition.name, one.subject) for one in found}
    Alert.objects.filter(ended_at=None, pk__in=[row.pk for key, row in known.items() if key not in holding]).update(ended_at=now)
    Alert.objects.filter(ended_at__lt=now - SAME_WITHIN).delete()
    Alert.objects.filter(pk__in=[row.pk for key, row in known.items() if key in holding and row.ended_at]).update(ended_at=None)
    new = [one for one in found if now - one.since >= HOLDS_FOR and not _was_told(known.get((one.condition.name, one.subject)), now)]
    Alert.objects.bulk_create([Alert(name=one.condition.name, subject=one.subject, since=one.since) for one in new], ignore_conflicts=True)
    return new


def _was_told(row: Alert | None, now: datetime) -> bool:
    return row is not None and (row.ended_at is None or row.ended_at >= now - SAME_WITHIN)
