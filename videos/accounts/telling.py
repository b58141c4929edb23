"""Accounts at MiniMax as a source of webhooks, for operators."""

from typing import Any

from conduit.api.formats import rfc3339
from tasks.notifications import event_types
from tasks.notifications.sources import Happening, Source
from videos.account_models import AccountState, ProviderAccount


def _set_aside(limit: int) -> list[Happening]:
    """Those that are set aside, each once for each time that it was."""
    accounts = ProviderAccount.objects.exclude(cause="").exclude(state=AccountState.OFF).filter(since__isnull=False)
    return [_happening(account) for account in accounts.order_by("since")[:limit]]


def _happening(account: ProviderAccount) -> Happening:
    assert account.since  # noqa: S101 - it was asked for
    facts = {
        "id": str(account.pk),
        "object": "account",
        "name": account.name,
        "set_aside_for": account.cause,
        "since": rfc3339(account.since),
        "provider_code": account.code,
        "message": account.said or None,
    }
    return Happening(
        [event_types.ACCOUNT_UNAVAILABLE], at=account.since, source_id=str(account.pk), facts=facts, once=f"{account.pk} {facts['since']}"
    )


def _sample(type: str) -> dict[str, Any] | None:
    if type != event_types.ACCOUNT_UNAVAILABLE:
        return None
    why = {
        "set_aside_for": "account_balance",
        "since": "2026-01-01T12:00:00.000Z",
        "provider_code": 1008,
        "message": "no balance",
    }
    return {"id": "0", "object": "account", "name": "a test", **why}


SOURCE = Source(
    name="accounts",
    take=_set_aside,
    data_of=lambda messages, now: {message.id: message.facts for message in messages},
    sample=_sample,
    seconds=2.0,
)
