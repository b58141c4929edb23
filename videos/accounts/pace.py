"""The pace of an account's orders: one for all that order with it, which finds MiniMax's limit and keeps to it.

A refusal tells the limit: what was taken in the minute before it. From then on orders go out evenly spaced at that pace, never more
of them within a minute than were taken then, and ever quicker while none is refused, so that a limit that was raised is found too.
"""

from datetime import datetime, timedelta

import structlog
from django.db.models import Q, QuerySet

from videos.account_models import ProviderAccount
from videos.minimax.errors import MiniMaxError
from videos.models import Clip, ClipState
from videos.waiting import growing_pause

log = structlog.get_logger(__name__)

MINUTE = timedelta(minutes=1)
# MiniMax counts an order when it arrives, a moment after it was written here that it is sent: so much may those moments differ.
_JITTER = timedelta(seconds=0.15)
# After a refusal at this pace the next is a little slower.
_SLOWER = 0.98
# An account that ordered nothing for a moment may catch up on so much of it: a task that is called comes a moment later.
CATCHES_UP = timedelta(seconds=2)
# Fewer accepted orders say nothing of a limit by the minute.
_TELLING = 2
# MiniMax's window of usage is spent: that lasts.
_WINDOW_SPENT, _WINDOW_TRIES = 2056, 4


def after_order(account: ProviderAccount, now: datetime) -> datetime | None:
    """When an account that orders now, as it does not say yet, may order again; None: at once."""
    interval = account.interval_at(now)
    if not interval:
        return None
    due = max(account.next_create_at or now, now - CATCHES_UP) + interval
    return max(filter(None, (due, _window_opens(account, now, more=1))))


def _window_opens(account: ProviderAccount, now: datetime, *, more: int = 0) -> datetime | None:
    """When less than a minute's worth was ordered within a minute; None: it was not. `more`: orders of this moment."""
    most = account.creates_in_a_minute
    if most is None:
        return None
    earlier = _sent(account, now).order_by("-sent_at").values_list("sent_at", flat=True)
    first = now if most <= more else next(iter(earlier[most - more - 1 : most - more]), None)
    return first + MINUTE + _JITTER if first else None


def _sent(account: ProviderAccount, now: datetime) -> QuerySet[Clip]:
    """What was ordered within the last minute and was not refused, as far as that is known."""
    return Clip.objects.filter(account=account, sent_at__gt=now - MINUTE - _JITTER)


def refused(account: ProviderAccount, error: MiniMaxError, now: datetime) -> list[str]:
    """Slow down: change the row, which is the caller's, and tell the names of the fields that were changed."""
    account.refusals += 1
    changed = ["refusals", "next_create_at"]
    if error.provider_code != _WINDOW_SPENT:
        accepted = _accepted(account, now)
        pace = account.pace_at(now)
        if accepted >= _TELLING or pace:
            account.pace = max(1.0, _limit(pace, accepted, refusals=account.refusals))
            account.paced_at = now
            changed += ["pace", "paced_at"]
            log.info("account paced", account=account.name, creates_per_minute=round(account.pace, 1), accepted=accepted)
    tries = account.refusals + (_WINDOW_TRIES if error.provider_code == _WINDOW_SPENT else 0)
    interval = account.interval_at(now)
    if tries > 1 or account.pace is None or interval is None:
        account.next_create_at = max(account.next_create_at or now, now + growing_pause(tries))
    else:
        # The first refusal at a pace that is known says that the minute is full: there is room when its first order is a minute old.
        account.next_create_at = max(now + _JITTER, _window_opens(account, now) or now + interval)
    return changed


def _accepted(account: ProviderAccount, now: datetime) -> int:
    """Of the last minute. Those that are in the air were sent before the one that was refused, or are refused themselves in a moment."""
    recent = _sent(account, now)
    in_air = recent.filter(state=ClipState.SUBMITTING).count()
    return recent.filter(~Q(state=ClipState.SUBMITTING), submitted_at__isnull=False).count() + max(0, in_air - 1)


def _limit(pace: float | None, accepted: int, *, refusals: int) -> float:
    """What was accepted in the last minute is the limit, unless it is refused still, or the refusals left a gap in that minute."""
    if pace is None or accepted >= pace * _SLOWER - 1:
        return min(accepted, pace * _SLOWER) if pace and refusals > 1 else accepted
    return accepted + 1
