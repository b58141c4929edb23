"""The accounts that questions are asked with, as they were a second ago at most: reading a row and opening its key takes long."""

import time
from dataclasses import dataclass

from videos.account_models import AccountKind, ProviderAccount
from videos.accounts.calling import provider_of
from videos.asking.rows import Question
from videos.minimax import errors
from videos.minimax.errors import MiniMaxError
from videos.minimax.provider import Provider

KEPT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Called:
    """An account with its client, or why it cannot be called."""

    account: ProviderAccount | None
    client: Provider | MiniMaxError

    def provider(self) -> Provider:
        """Raises MiniMaxError when it cannot be called."""
        if isinstance(self.client, MiniMaxError):
            raise self.client
        return self.client


class Accounts:
    """Read and used by one thread."""

    def __init__(self) -> None:
        self._called: dict[int | str, Called] = {}
        self._read_at = -KEPT_SECONDS

    def refresh(self) -> None:
        """Read them anew when it is time; one query."""
        if time.monotonic() - self._read_at < KEPT_SECONDS:
            return
        rows = list(ProviderAccount.objects.filter(kind__in=AccountKind.values))
        called: dict[int | str, Called] = {row.pk: _called(row) for row in rows}
        # Clips from before there were accounts have the environment's.
        called |= {row.api: called[row.pk] for row in rows if row.from_environment}
        self._called, self._read_at = called, time.monotonic()

    def forget(self) -> None:
        """Have them read anew before the next question: one was refused."""
        self._read_at = -KEPT_SECONDS

    def of(self, question: Question) -> Called:
        found = self._called.get(question.account_id or question.api)
        return found or Called(None, MiniMaxError(*errors.NO_ACCOUNT))


def _called(row: ProviderAccount) -> Called:
    try:
        return Called(row, provider_of(row))
    except MiniMaxError as error:
        return Called(row, error)
