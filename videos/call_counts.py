"""Counting the calls to MiniMax: in memory by each process that calls, handed in with what else it notes (conduit.metrics.noting).

So no call costs a write, unchanged queries neither. A process that is killed loses what it counted since the last time; while the
database is away it keeps on counting.
"""

import os
import threading
from collections import Counter
from datetime import datetime
from typing import NamedTuple, Protocol

from django.db import transaction

from conduit import clock
from conduit.metrics import noting
from conduit.rollups.adding import Tally
from conduit.rollups.histograms import bucket_of
from conduit.rollups.steps import Step
from videos import metrics
from videos.minimax import errors, exchanges
from videos.minimax.exchanges import Exchange
from videos.rollup_models import CallCount, CallTime

Answer = CallCount.Answer
# Its time is that of a whole file, and says nothing of MiniMax's API.
_DOWNLOAD = "download"


class _Counted(NamedTuple):
    minute: datetime
    upstream: str
    call: str
    answer: str
    code: int
    bucket: int | None  # None: its time says nothing


class CallCounts:
    """What this process has counted and not handed in yet. Any thread may count."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[_Counted] = Counter()

    def note(self, exchange: Exchange) -> None:
        """Count a call. Never waits for the database."""
        answer, code = answer_of(exchange)
        is_timed = exchange.http is not None and exchange.call != _DOWNLOAD
        bucket = bucket_of(exchange.milliseconds / 1000) if is_timed else None
        metrics.note_call(exchange, str(answer), code, is_timed=is_timed)
        counted = _Counted(Step.MINUTE.start(clock.now()), exchange.upstream, exchange.call, str(answer), code, bucket)
        with self._lock:
            self._counts[counted] += 1

    def hand_in(self) -> None:
        """Add what was counted to the rows, in one transaction; it stays ours when that fails."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        try:
            _write(counts)
        except BaseException:
            with self._lock:
                self._counts += counts
            raise


class Answered(Protocol):
    """A call, as it was made or as it is kept."""

    @property
    def http(self) -> int | None: ...
    @property
    def code(self) -> int | None: ...
    @property
    def is_error(self) -> bool: ...


def answer_of(exchange: Answered) -> tuple[Answer, int]:
    """How a call went, and the code that a refusal came with: MiniMax's, or else the HTTP status; 0 where that says nothing."""
    if exchange.http is None:
        return Answer.NONE, 0
    if not exchange.is_error:
        return Answer.FINE, 0
    cause = (errors.cause_of_code if exchange.code else errors.cause_of_http)(exchange.code or exchange.http, creating=False)
    code = exchange.code or (exchange.http if exchange.http >= 300 else 0)
    return (Answer.RATE if cause.code == "rate_limit" else Answer.ERROR), code


def _write(counts: Counter[_Counted]) -> None:
    if not counts:
        return
    now = clock.now()
    calls = Tally(CallCount, ("step", "starts_at", "upstream", "call", "answer", "code"))
    times = Tally(CallTime, ("step", "starts_at", "upstream", "bucket"))
    for of, count in counts.items():
        calls.add_to_steps(of.minute, now, of.upstream, of.call, of.answer, of.code, count=count)
        if of.bucket is not None:
            times.add_to_steps(of.minute, now, of.upstream, of.bucket, count=count)
    with transaction.atomic():
        calls.write()
        times.write()


_calls = CallCounts()
os.register_at_fork(after_in_child=_calls._reset)


def start() -> None:
    """What a worker does first: count every call that this process makes to MiniMax from now on."""
    exchanges.tell_too(_calls.note)
    noting.also(_calls.hand_in)
