"""The pace of an account's orders: one for everybody who orders with it, which finds MiniMax's limit and keeps to it.

A refusal tells the limit: what was accepted in the minute before it. From then on orders go out evenly spaced at that pace, a little
slower after each refusal, and ever quicker while none comes, so that a limit that was raised is found too.
"""

from datetime import datetime, timedelta

import structlog

from videos.account_models import ProviderAccount
from videos.minimax.errors import MiniMaxError
from videos.models import Clip
from videos.waiting import growing_pause

log = structlog.get_logger(__name__)

MINUTE = timedelta(minutes=1)
# After a refusal at this pace the next is a little slower.
_SLOWER = 0.98
# The share of a turn after which it is tried again.
_SOON = 0.25
# Fewer accepted orders say nothing of a limit by the minute.
_TELLING = 2
# MiniMax's window of usage is spent: that lasts.
_WINDOW_SPENT, _WINDOW_TRIES = 2056, 4


def refused(account: ProviderAccount, error: MiniMaxError, now: datetime) -> list[str]:
    """Slow down: change the row, which is the caller's, and tell the names of the fields that were changed."""
    account.refusals += 1
    changed = ["refusals", "next_create_at"]
    if error.provider_code != _WINDOW_SPENT:
        accepted = Clip.objects.filter(account=account, sent_at__gt=now - MINUTE, submitted_at__isnull=False).count()
        pace = account.pace_at(now)
        if accepted >= _TELLING or pace:
            account.pace = max(1.0, _slower(pace, accepted))
            account.paced_at = now
            changed += ["pace", "paced_at"]
            log.info("account paced", account=account.name, creates_per_minute=round(account.pace, 1), accepted=accepted)
    tries = account.refusals + (_WINDOW_TRIES if error.provider_code == _WINDOW_SPENT else 0)
    interval = account.interval_at(now)
    if tries > 1 or account.pace is None or interval is None:
        account.next_create_at = max(account.next_create_at or now, now + growing_pause(tries))
    else:
        # The first refusal at a pace that is known says that the window is full for a moment: a whole turn would be lost.
        account.next_create_at = now + interval * _SOON
    return changed


def _slower(pace: float | None, accepted: int) -> float:
    """From what was accepted in the last minute, in which the refusal itself may have left a gap."""
    if pace is None:
        return accepted
    return pace * _SLOWER if accepted + 1 >= pace * _SLOWER else accepted + 1
