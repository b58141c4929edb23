"""How often an account is asked how its jobs go: less often for all its jobs when MiniMax says that it is too often.

Like the pace of orders it is one for all processes and kept in the account's row. Each refusal doubles the pauses between two questions
about a job; with every minute without one they are halved again. Right after a refusal nobody asks at all for a moment.
"""

import random
from datetime import datetime, timedelta

import structlog
from django.conf import settings

from videos.account_models import ProviderAccount

log = structlog.get_logger(__name__)

# Pauses are never longer than so many times MINIMAX_POLL_SECONDS.
FACTOR_MAX = 32.0
HALVED_IN = timedelta(minutes=1)


def slow_down(account: ProviderAccount, now: datetime) -> list[str]:
    """Change the row, which is the caller's, and tell the names of the fields. What was refused in one burst counts once."""
    if resumes_at(account, now):
        return []
    account.ask_factor, account.asked_too_often_at = min(FACTOR_MAX, 2 * factor_at(account, now)), now
    log.info("account is asked less often", account=account.name, seconds_between=round(pause(account, now).total_seconds(), 1))
    return ["ask_factor", "asked_too_often_at"]


def factor_at(account: ProviderAccount, now: datetime) -> float:
    """How many times as long the pauses are as they would be."""
    if account.asked_too_often_at is None:
        return 1.0
    return max(1.0, float(account.ask_factor * 0.5 ** ((now - account.asked_too_often_at) / HALVED_IN)))


def pause(account: ProviderAccount, now: datetime, *, is_called_back: bool = False) -> timedelta:
    """Between two questions about a job of the account; rarely where MiniMax calls back for it."""
    seconds = settings.MINIMAX_POLL_SECONDS_WITH_CALLBACKS if is_called_back else settings.MINIMAX_POLL_SECONDS
    return timedelta(seconds=seconds * factor_at(account, now))


def resumes_at(account: ProviderAccount, now: datetime) -> datetime | None:
    """Until when nobody asks the account anything, right after it refused; None: it may be asked now."""
    if account.asked_too_often_at is None:
        return None
    until = account.asked_too_often_at + timedelta(seconds=settings.RETRY_SECONDS)
    return until if until > now else None


def next_turn(account: ProviderAccount, now: datetime) -> datetime | None:
    """The same for one question of many: when to ask it, spread over a pause, so that not all come when the account may be asked again."""
    until = resumes_at(account, now)
    return until + pause(account, now) * random.random() if until else None  # noqa: S311 - spreads load, guards nothing
