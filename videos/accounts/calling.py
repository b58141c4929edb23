"""The client that a clip's account is called with."""

from collections.abc import Iterator
from contextlib import contextmanager

from videos.account_models import AccountState, ProviderAccount
from videos.accounts import breakers
from videos.minimax import errors
from videos.minimax.account import images_at, provider_at
from videos.minimax.errors import MiniMaxError
from videos.minimax.images import Images
from videos.minimax.provider import Provider
from videos.models import Clip


def account_of(clip: Clip) -> ProviderAccount:
    """The account that a clip was ordered with; one from before there were accounts has the environment's.

    Raises:
        MiniMaxError: it has none.
    """
    account = clip.account or ProviderAccount.objects.environments(f"minimax_{clip.api}")
    if account is None:
        raise MiniMaxError(*errors.NO_ACCOUNT)
    return account


@contextmanager
def heard(clip: Clip) -> Iterator[None]:
    """How a question about a clip is answered within the block is told to the breaker of its account."""
    try:
        yield
    except MiniMaxError as error:
        breakers.failed(account_of(clip), error, ordering=False)
        raise
    breakers.answered(account_of(clip), ordering=False)


def provider_for(clip: Clip) -> Provider:
    """For all calls about a clip.

    Raises:
        MiniMaxError: its account may not be called, or has no key.
    """
    return provider_of(account_of(clip))


def provider_of(account: ProviderAccount) -> Provider:
    """The same for all calls about the clips of an account."""
    return provider_at(account.address, _key(account), api=account.api)


def images_for(clip: Clip) -> Images:
    """For an image; raises as `provider_for`."""
    account = account_of(clip)
    return images_at(account.address, _key(account))


def _key(account: ProviderAccount) -> str:
    if account.state == AccountState.OFF:
        raise MiniMaxError(*errors.ACCOUNT_OFF)
    if not account.key:
        raise MiniMaxError(*errors.NO_KEY)
    return account.key
