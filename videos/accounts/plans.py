"""MiniMax's models that an account's plan does not have (code 2061): each is set aside at that account alone.

As with an account that is set aside, one waiting order tries it again from time to time, with growing pauses.
"""

from datetime import datetime, timedelta
from typing import TypedDict

import structlog
from django.conf import settings
from django.db import transaction

from conduit import clock
from videos.account_models import ProviderAccount
from videos.minimax.errors import MiniMaxError
from videos.minimax.exchanges import TEXT_MAX
from videos.waiting import growing_pause

log = structlog.get_logger(__name__)

NOT_IN_PLAN = 2061


class Refusal(TypedDict):
    """As `ProviderAccount.refused_models` keeps it, by the model's name at MiniMax. Moments are ISO 8601."""

    since: str
    said: str
    tries: int
    tries_at: str


def refused(row: ProviderAccount, upstream: str, error: MiniMaxError, now: datetime) -> list[str]:
    """Change the row, which is the caller's, and tell the names of the fields."""
    before: Refusal | None = row.refused_models.get(upstream)
    tries = min(before["tries"] + 1, 1000) if before else 1
    since = before["since"] if before else now.isoformat()
    tries_at = (now + growing_pause(tries)).isoformat()
    row.refused_models[upstream] = Refusal(since=since, said=(error.said or error.message)[:TEXT_MAX], tries=tries, tries_at=tries_at)
    if before is None:
        log.error("account's plan does not have a model", account=row.name, upstream=upstream)
    return ["refused_models"]


def accepted(row: ProviderAccount, upstream: str) -> list[str]:
    """The same when an order of the model was answered."""
    return ["refused_models"] if row.refused_models.pop(upstream, None) else []


def refused_until(account: ProviderAccount, upstream: str) -> datetime | None:
    """When an order of the model may be tried again; None: it was not refused."""
    refusal: Refusal | None = account.refused_models.get(upstream)
    return datetime.fromisoformat(refusal["tries_at"]) if refusal else None


def may_try(account: ProviderAccount, upstream: str, now: datetime) -> bool:
    """Whether the caller may order the model: of one that was refused nobody else tries it for as long as a step may take."""
    if upstream not in account.refused_models:
        return True
    with transaction.atomic():
        row = ProviderAccount.objects.select_for_update(no_key=True).filter(pk=account.pk).first()
        until = refused_until(row, upstream) if row else None
        if row is None or until is None or until > now:
            return until is None and row is not None
        row.refused_models[upstream]["tries_at"] = (now + timedelta(seconds=settings.LEASE_SECONDS)).isoformat()
        row.save(update_fields=["refused_models"])
    return True


def try_now(account: ProviderAccount) -> None:
    """Have a waiting order try each model that was refused without waiting longer."""
    if not account.refused_models:
        return
    with transaction.atomic():
        row = ProviderAccount.objects.select_for_update(no_key=True).get(pk=account.pk)
        for refusal in row.refused_models.values():
            refusal["tries_at"] = clock.now().isoformat()
        row.save(update_fields=["refused_models"])
