"""When MiniMax cannot call us back: the order is repeated without a URL, and the operator is told."""

import re
from contextlib import suppress

from conduit import clock, conditions
from conduit.conditions import Condition, Severity
from conduit.conditions.registry import Findings
from tasks.insisting import AWAY
from videos.account_models import AccountState, ProviderAccount
from videos.callbacks.addresses import are_wanted
from videos.minimax.errors import MiniMaxError
from videos.minimax.exchanges import TEXT_MAX

_WORDS = re.compile(r"call[ _-]?back", re.IGNORECASE)
_INVALID = 2013


def is_about_the_url(error: MiniMaxError) -> bool:
    """Whether an order was refused because of the URL that it named."""
    return error.provider_code == _INVALID and _WORDS.search(error.said) is not None


def note_refusal(account: ProviderAccount, error: MiniMaxError) -> None:
    """Orders with the account name no URL for a while. While the database is away nothing is written: the next one tells."""
    with suppress(*AWAY):
        said = error.said[:TEXT_MAX]
        ProviderAccount.objects.filter(pk=account.pk).update(callbacks_refused_at=clock.now(), callbacks_said=said)
        conditions.refresh(CALLBACKS.name)


def note_success(account: ProviderAccount) -> None:
    """An order that named a URL was taken: its challenge was answered."""
    if account.callbacks_refused_at is None:
        return
    with suppress(*AWAY):
        ProviderAccount.objects.filter(pk=account.pk).update(callbacks_refused_at=None, callbacks_said="")
        conditions.refresh(CALLBACKS.name)


def _look() -> Findings:
    if not are_wanted():
        return {}
    refused = ProviderAccount.objects.filter(callbacks_refused_at__isnull=False).exclude(state=AccountState.OFF)
    return {account.name: f"MiniMax could not check the URL: {account.callbacks_said.rstrip('.')}." for account in refused}


CALLBACKS = Condition(
    name="minimax_callbacks",
    severity=Severity.NOTICE,
    says="MiniMax cannot call back to PUBLIC_URL: its jobs are asked for every few seconds, and an order of V1 whose answer is lost waits "
    "for an operator.",
    found_by="It refused an order for its callback URL (2013), which was repeated without one; every ten minutes one order tries again.",
    what_to_do="Let MiniMax reach PUBLIC_URL from outside (POST to /callbacks/minimax/…), or set MINIMAX_CALLBACKS=off.",
    look=_look,
    leads_to="videos/provideraccount/",
)
