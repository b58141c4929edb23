"""Finding the job of a create whose answer was lost, in V2's list."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from videos.minimax import errors
from videos.minimax.errors import Undecided
from videos.minimax.provider import Order
from videos.minimax.records import Record

PAGE_SIZE, PAGES_MAX = 100, 20
# A record is some hundred bytes, and may show the prompt.
PAGE_BYTES_MAX = 8 * 1024**2
# How far MiniMax's clock and ours may differ, and how long an order may wait at its door.
SKEW = timedelta(minutes=2)


@dataclass
class Search:
    """Reads pages of the list until the time of the order is behind, or all of them.

    A wrong job is never taken: it would hand out somebody else's video. So a record that cannot be read, or shows no
    time, leaves the search undecided if it may be the one, and so do two that fit, and a list that ends too early.
    """

    order: Order
    sent_after: datetime
    known_ids: frozenset[str]
    # For how long the order may have been on its way.
    sending_seconds: float
    _found: set[str] = field(default_factory=set)
    _seen: dict[str, datetime | None] = field(default_factory=dict)
    _doubtful: bool = False
    _complete: bool = False

    def add(self, page: list[Record | None], total: int | None) -> bool:
        """Take a page in; true when no further one is needed. `total` is how many records the list says it has."""
        before = len(self._seen)
        for record in page:
            self._judge(record)
        # Not the size of the page: MiniMax may hand out smaller ones than it was asked for.
        is_over = len(self._seen) == before or (total is not None and len(self._seen) >= total)
        self._complete = is_over or self._is_behind()
        return self._complete

    def _is_behind(self) -> bool:
        """Whether the list goes from new to old and has come to what is older than the order."""
        times = list(self._seen.values())
        known = [time for time in times if time]
        falls = len(known) == len(times) and known[0] > known[-1] and known == sorted(known, reverse=True)
        return falls and known[-1] < self.sent_after - SKEW

    def result(self) -> str | None:
        """The one job that fits, None when none does; Undecided when that cannot be told."""
        if self._doubtful or not self._complete or len(self._found) > 1:
            raise Undecided(*errors.UNDECIDED)
        return next(iter(self._found), None)

    def _judge(self, record: Record | None) -> None:
        if record is None:
            self._doubtful = True
            return
        self._seen[record.task_id] = record.created_at
        if record.task_id in self.known_ids or not record.may_be(self.order):
            return
        elif record.created_at is None:
            self._doubtful = True
        elif self.sent_after - SKEW <= record.created_at <= self.sent_after + timedelta(seconds=self.sending_seconds) + SKEW:
            self._found.add(record.task_id)
