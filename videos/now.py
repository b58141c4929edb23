"""What the console's first page shows, put together: each part is read by the room that owns its rows.

`live` and `spanned` ask about twenty queries whose cost does not grow with the tasks that have ended, and Redis once; `yesterday` and
`before` a few more, for pages that ask less often. What they put together is read where it lives:

- `tasks.workload`: how the tasks that have not ended stand; `tasks.rollups`: how many ended how, why they failed, how long it took
- `keys.rollups`, `keys.budget_uses`: money by time, day, key, team and model; budgets that are nearly used up
- `videos.rollups`: MiniMax's health, how long it takes, what it bills
- `conduit.conditions.reading.place()`: what needs somebody; `conduit.conditions.processes.roster()`: workers and beat
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from conduit import clock
from conduit.conditions.processes import Seen, roster
from conduit.rollups.histograms import Histogram
from conduit.rollups.steps import Past, Span, Step, first_of_month, midnight
from keys import budget_uses
from keys import rollups as money
from keys.budget_uses import BudgetUse
from keys.rollups import Money, Share
from tasks import rollups as tasks
from tasks import workload
from tasks.realtime.seats import seats
from tasks.rollups import Cause, Counts, Point, TimePoint, What
from tasks.workload import Workload
from videos import rollups as videos
from videos.rollups import Bill, Code, Health, LastError

TOP_KEYS = 5
# How old the number of open streams may be.
SUBSCRIBERS_SECONDS = 4.0


@dataclass(frozen=True)
class MoneyOf:
    """What a day or a month came to."""

    since: datetime
    money: Money
    bill: Bill
    until: datetime | None = None  # None: now

    @property
    def margin(self) -> Decimal:
        """USD: what was charged and not refunded, less what MiniMax bills."""
        return self.money.net - self.bill.billed

    @property
    def margin_percent(self) -> int | None:
        """Of what was charged; None when nothing was."""
        return self.money.percent_of(self.margin)


@dataclass(frozen=True)
class Times:
    """How long things took within the span, in seconds."""

    queued: Histogram  # until MiniMax accepted the first clip
    at_minimax: Histogram  # each clip, from its acceptance to its end
    done: Histogram  # from the task's creation until it was completed


@dataclass(frozen=True)
class Before:
    """The same a day before, or of a span of days in those right before it."""

    past: Past
    total: Counts
    times: Times


@dataclass(frozen=True)
class Live:
    """How things stand at this moment: what changes each second."""

    at: datetime
    workload: Workload
    running: Sequence[UUID]  # the newest tasks that are being made
    workers: Sequence[Seen]
    subscribers: int | None  # open streams; None while Redis is away
    today: MoneyOf
    month: MoneyOf


@dataclass(frozen=True)
class Spanned:
    """What happened within a span. It has the minute, ten minutes or six hours that run now as its last step."""

    span: Span
    chart: Sequence[Point]
    total: Counts
    causes: Sequence[Cause]
    times: Times
    time_chart: Sequence[TimePoint]  # until tasks were done
    health: Sequence[Health]
    codes: Sequence[Code]
    last_error: LastError | None
    top_keys: Sequence[Share]  # of this month, whatever the span
    budgets: Sequence[BudgetUse]  # nearly used up


def live(now: datetime | None = None) -> Live:
    """Seven queries."""
    now = now or clock.now()
    return Live(
        at=now,
        workload=workload.workload(now),
        running=workload.running(),
        workers=roster(),
        subscribers=_subscribers(),
        today=_money_since(midnight(now)),
        month=_money_since(first_of_month(now)),
    )


def _subscribers() -> int | None:
    """Asked for now and then: while Redis hangs, the rest must not wait for it each time."""
    global _streams
    at, count = _streams
    if time.monotonic() - at > SUBSCRIBERS_SECONDS:
        count = seats().blocking.taken()
        _streams = time.monotonic(), count
    return count


_streams: tuple[float, int | None] = (float("-inf"), None)


def spanned(span: Span, now: datetime | None = None) -> Spanned:
    """A dozen queries."""
    now = now or clock.now()
    chart = tasks.chart(span, now)
    return Spanned(
        span=span,
        chart=chart,
        total=tasks.total(chart),
        causes=tasks.causes(span, now),
        times=Times(
            queued=tasks.times(span, What.QUEUED, now),
            at_minimax=videos.making(span, now),
            done=tasks.times(span, What.DONE, now),
        ),
        time_chart=tasks.time_chart(span, What.DONE, now),
        health=videos.health(span, now),
        codes=videos.codes(span, now),
        last_error=videos.last_error(),
        top_keys=money.by_key(money.of_month(now.date()), limit=TOP_KEYS),
        budgets=budget_uses.near(now),
    )


def _money_since(since: datetime) -> MoneyOf:
    return MoneyOf(since, money.total(since), videos.bill(since))


# ---- What stands beside it: it changes each ten minutes at most ----------------------------------------------------------


def yesterday(now: datetime | None = None) -> MoneyOf:
    """Until this time of day, to ten minutes. Two queries."""
    day_ago = (now or clock.now()) - timedelta(days=1)
    since, until = midnight(day_ago), Step.TEN_MINUTES.start(day_ago)
    return MoneyOf(since, money.total_until(since, until), videos.bill_until(since, until), until)


def before(span: Span, now: datetime | None = None) -> Before:
    """Four queries."""
    past = span.before(now or clock.now())
    times = Times(queued=tasks.times_of(past, What.QUEUED), at_minimax=videos.making_of(past), done=tasks.times_of(past, What.DONE))
    return Before(past, tasks.total_of(past), times)
