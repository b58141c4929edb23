"""Accounts at MiniMax, as tests need them."""

from typing import Any

from videos.account_models import AccountState, ProviderAccount


def add_account(name: str, address: str, key: str, *, kind: str = "minimax_v1", **fields: Any) -> ProviderAccount:
    account = ProviderAccount(name=name, kind=kind, base_url=address, **fields).seal(key)
    account.save()
    return account


def without_the_environments() -> None:
    """Have nothing ordered with the environment's key."""
    ProviderAccount.objects.filter(from_environment=True).update(state=AccountState.OFF)
