"""What signing secrets are sealed with, found by looking through all of them: some at each look, and again a while after the last."""

import time
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from conduit import clock
from conduit.conditions import CannotTell
from conduit.conditions.registry import Findings
from tasks.notifications import resealing, signing
from tasks.notifications.models import Endpoint, KeySigning
from tasks.notifications.signing import Seal

# Rows of one look: opening a secret takes some 20 microseconds.
LOOKED_AT = 500
# Between two times that all were looked at.
AGAIN_SECONDS = 60.0
# Of each table what one query reads.
_READ = 100


class Survey:
    """Of one process. Looks ask it in turn, and what it found the last time holds until it has been through again."""

    def __init__(self) -> None:
        self._found: dict[Seal, dict[str, str]] | None = None
        self._rows: Iterator[Any] = iter(())
        self._next: dict[Seal, dict[str, str]] = {}
        self._again_at = 0.0

    def of(self, seal: Seal) -> Findings:
        """Whose secrets are sealed so.

        Raises:
            CannotTell: not all were looked at yet.
        """
        if time.monotonic() >= self._again_at:
            self._go_on()
        if self._found is None:
            raise CannotTell
        return self._found[seal]

    def _go_on(self) -> None:
        if not self._next:
            self._next, self._rows = {seal: {} for seal in Seal}, _all_rows()
        rows = list(islice(self._rows, LOOKED_AT))
        now = clock.now()
        for row in rows:
            if (seal := signing.seal_of(row, now)) is not Seal.CURRENT:
                self._next[seal][_subject(row)] = f"It is {resealing.name_of(row)}."
        if len(rows) < LOOKED_AT:
            self._found, self._next, self._again_at = self._next, {}, time.monotonic() + AGAIN_SECONDS


def _all_rows() -> Iterator[Any]:
    return chain(_by_and_by(resealing.ENDPOINTS), _by_and_by(resealing.SECRETS_OF_KEYS))


def _by_and_by(rows: Any) -> Iterator[Any]:
    """All of them, with no query open between two looks."""
    after = 0
    while found := list(rows.filter(pk__gt=after).order_by("pk")[:_READ]):
        yield from found
        after = found[-1].pk


def _subject(row: Endpoint | KeySigning) -> str:
    return row.public_id if isinstance(row, Endpoint) else f"key {row.key_id}"
