"""MiniMax's health, how long it takes, and what it bills, in steps of time.

Calls are counted by the processes that make them (videos.call_counts). Times are counted of the clips that were looked into, and what
is billed of the clips themselves, by a tick (conduit.rollups). What is counted may be a second or two old.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import F, QuerySet, Sum

from conduit import clock
from conduit.rollups.adding import Tally
from conduit.rollups.counting import BATCH, BusyError, Counter, cursor_of
from conduit.rollups.histograms import Histogram, bucket_of
from conduit.rollups.registry import RollUp
from conduit.rollups.steps import Past, Span, Step, in_months, until_moment
from videos import metrics
from videos.exchange_models import Exchange, Timing
from videos.models import Clip
from videos.rollup_models import (
    BilledCount,
    BilledOfAccount,
    BilledOfDay,
    BilledOfModel,
    BilledOfMonth,
    CallCount,
    CallTime,
    MakingTime,
)

CALLS, MAKING, BILLED = "calls", "making", "billed"
ZERO = Decimal(0)
Answer = CallCount.Answer


# ---- How MiniMax answers -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Health:
    """How the calls about one model at MiniMax went. Calls that are about none have an empty `upstream`."""

    upstream: str
    calls: int
    fine: int
    rates: int  # refused for its rate
    errors: int
    unanswered: int
    times: Histogram  # of the API's answers, in seconds; downloads are not among them

    @property
    def success(self) -> float:
        """The share that was answered well, of those that were not refused for their rate: 0 to 1; 1 when there were none."""
        counted = self.calls - self.rates
        return self.fine / counted if counted else 1.0


@dataclass(frozen=True)
class Code:
    """How often MiniMax refused with a code (its own, or else the HTTP status; 0: no answer, or one that had none)."""

    code: int
    answer: str
    count: int


@dataclass(frozen=True)
class Calls:
    """How many calls of one kind about one model went so. Calls that are about none have an empty `upstream`."""

    upstream: str
    call: str
    answer: str
    code: int  # as Code's; 0 where the answer was fine
    count: int


@dataclass(frozen=True)
class LastError:
    """The newest call that MiniMax refused or did not answer, of those that are kept."""

    at: datetime
    task_id: UUID
    call: str
    http: int | None
    code: int | None
    message: str
    trace_id: str


def health(span: Span, now: datetime | None = None) -> list[Health]:
    """Of each model at MiniMax that was called within the span, by name. Two queries."""
    now = now or clock.now()
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for upstream, answer, count in _calls(span, now).order_by().values_list("upstream", "answer").annotate(Sum("count")):
        counts[upstream][answer] = count
    times: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for upstream, bucket, count in _times(span, now).order_by().values_list("upstream", "bucket").annotate(Sum("count")):
        times[upstream].append((bucket, count))
    return [
        Health(
            upstream=upstream,
            calls=sum(of.values()),
            fine=of[Answer.FINE],
            rates=of[Answer.RATE],
            errors=of[Answer.ERROR],
            unanswered=of[Answer.NONE],
            times=Histogram.of(times.get(upstream, ())),
        )
        for upstream, of in sorted(counts.items())
    ]


def codes(span: Span, now: datetime | None = None) -> list[Code]:
    """What MiniMax refused with within the span, most frequent first. One query."""
    refused = _calls(span, now or clock.now()).exclude(answer=Answer.FINE)
    rows = refused.order_by().values_list("code", "answer").annotate(sum=Sum("count")).order_by("-sum", "code")
    return [Code(code, answer, count) for code, answer, count in rows]


def calls(
    span: Span, now: datetime | None = None, *, upstream: str | None = None, answer: str | None = None, code: int | None = None
) -> list[Calls]:
    """The calls within the span that are asked for, by all that is counted of them; None is all. The most frequent first. One query."""
    rows = _calls(span, now or clock.now()).filter(**_named(upstream=upstream, answer=answer, code=code))
    names = ("upstream", "call", "answer", "code")
    return [Calls(*row) for row in rows.order_by().values_list(*names).annotate(sum=Sum("count")).order_by("-sum", *names)]


def last_error() -> LastError | None:
    """One query."""
    found = Exchange.objects.errors().first()
    if found is None:
        return None
    return LastError(found.last_at, found.video_id, found.call, found.http, found.code, found.message, found.trace_id)


def _calls(span: Span, now: datetime) -> QuerySet[CallCount]:
    return CallCount.objects.filter(step=span.step, starts_at__gte=span.since(now))


def _times(span: Span, now: datetime) -> QuerySet[CallTime]:
    return CallTime.objects.filter(step=span.step, starts_at__gte=span.since(now))


# ---- How long it takes -------------------------------------------------------------------------------------------------


def making(span: Span, now: datetime | None = None) -> Histogram:
    """How long clips were at MiniMax, from its acceptance to their end, of those that came within the span. One query."""
    rows = MakingTime.objects.filter(step=span.step, starts_at__gte=span.since(now or clock.now()))
    return Histogram.of(rows.order_by().values_list("bucket").annotate(Sum("count")))


def making_of(past: Past) -> Histogram:
    """The same of a time that is over. One query."""
    rows = MakingTime.objects.filter(step=past.step, starts_at__gte=past.since, starts_at__lt=past.until)
    return Histogram.of(rows.order_by().values_list("bucket").annotate(Sum("count")))


def _count_times(timings: Sequence[Timing]) -> None:
    now = clock.now()
    tally = Tally(MakingTime, ("step", "starts_at", "upstream", "bucket"))
    for timing in timings:
        # Kept at MiniMax's own pace; people are told how long it really was.
        tally.add_to_steps(timing.created_at, now, timing.upstream, bucket_of(timing.made_in * settings.MINIMAX_TIME_SCALE))
    tally.write()


TIMINGS = Counter(
    name=MAKING,
    rows=lambda: Timing.objects.only("upstream", "made_in", "created_at"),
    count=_count_times,
    moment="created_at",
    total=metrics.total_times,
)


# ---- What it bills -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bill:
    """What MiniMax bills for the jobs that it accepted in some time."""

    jobs: int = 0
    billed: Decimal = ZERO  # USD

    def __add__(self, other: "Bill") -> "Bill":
        return Bill(self.jobs + other.jobs, self.billed + other.billed)


def bill(since: datetime, until: datetime | None = None) -> Bill:
    """From a moment on, before another: both where six hours begin (UTC), such as midnight. One query."""
    rows = BilledCount.objects.filter(step=Step.SIX_HOURS, starts_at__gte=since)
    if until is not None:
        rows = rows.filter(starts_at__lt=until)
    return _bill(rows.aggregate(sum_jobs=Sum("jobs"), sum_billed=Sum("billed")))


def bill_until(since: datetime, until: datetime) -> Bill:
    """From a midnight (UTC) until a moment, to ten minutes: of the last three days. One query."""
    return _bill(BilledCount.objects.filter(until_moment(since, until)).aggregate(sum_jobs=Sum("jobs"), sum_billed=Sum("billed")))


Whose = QuerySet[BilledOfDay] | QuerySet[BilledOfMonth] | QuerySet[BilledOfModel]


def bills_of_days(
    first: date, last: date, *, key_id: int | None = None, team_id: int | None = None, model: str | None = None
) -> list[Whose]:
    """The rows of these days, both included, of what is asked for; None is all. Of all keys together when neither is named."""
    wanted = _named(key_id=key_id, team_id=team_id, model=model)
    rows: Any = BilledOfModel if key_id is None and team_id is None else BilledOfDay
    return [rows.objects.filter(day__range=(first, last), **wanted)]


def bills_of_days_by_months(
    first: date, last: date, *, key_id: int | None = None, team_id: int | None = None, model: str | None = None
) -> list[Whose]:
    """The rows of each key for pages that do not group by day, in parts: whole months as such, and the days that are left of others."""
    wanted = _named(key_id=key_id, team_id=team_id, model=model)
    split = in_months(first, last, clock.now().date())
    parts: list[Whose] = [BilledOfDay.objects.filter(day__range=days, **wanted) for days in split.rest]
    return [*parts, BilledOfMonth.objects.filter(month__in=split.months, **wanted)] if split.months else parts


def _named(**wanted: object) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if value is not None}


def bills_by(parts: Sequence[Whose], *names: str) -> dict[tuple[object, ...], Bill]:
    """Such rows by the values of some of day, key_id, team_id (0: none's), model, upstream. A query for each part."""
    found: dict[tuple[object, ...], Bill] = defaultdict(Bill)
    for rows in parts:
        for row in rows.order_by().values(*names).annotate(sum_jobs=Sum("jobs"), sum_billed=Sum("billed")):
            found[tuple(row[name] for name in names)] += _bill(row)
    return dict(found)


def _bill(row: Mapping[str, Any]) -> Bill:
    """SQLite sums in floating point: the four decimals bring the exact sum back."""
    return Bill(row["sum_jobs"] or 0, round(Decimal(row["sum_billed"] or 0), 4))


def count_billed() -> bool:
    """Add what clips are billed beyond what is counted of them, and note that on them, in one transaction. False when nothing is left.

    What is billed of a clip may change late, when MiniMax fails it or is asked to cancel it: what was counted is then corrected where
    it was counted.
    """
    # By their order the index that holds these alone is the cheapest: without one PostgreSQL reckons that nearly all rows differ, and
    # reads all of them to find none (300 ms of a million).
    if Clip.objects.to_count().order_by("pk").values_list("pk", flat=True).first() is None:
        return False
    with cursor_of(BILLED) as cursor:
        if cursor is None:
            return False
        clips = Clip.objects.to_count().select_related("video__task")
        if connection.features.has_select_for_update_skip_locked:
            clips = clips.select_for_update(skip_locked=True, of=("self",), no_key=True)
        found = list(clips.order_by("pk")[:BATCH])
        _add_billed([(clip, clip.billed - clip.billed_counted, bool(clip.billed) - bool(clip.billed_counted)) for clip in found])
        metrics.total_billed([(clip.upstream, clip.billed - clip.billed_counted) for clip in found])
        # The rows are ours: nobody has billed them otherwise meanwhile.
        Clip.objects.filter(pk__in=[clip.pk for clip in found]).update(billed_counted=F("billed"))
    return len(found) == BATCH


def _add_billed(found: Sequence[tuple[Clip, Decimal, int]]) -> None:
    """Of each clip: so many USD more, and whether it is a job more or less that is billed."""
    now = clock.now()
    sums = ("jobs", "billed")
    steps = Tally(BilledCount, ("step", "starts_at", "upstream"), sums)
    models = Tally(BilledOfModel, ("day", "model", "upstream"), sums)
    days = Tally(BilledOfDay, ("day", "key_id", "team_id", "model", "upstream"), sums)
    months = Tally(BilledOfMonth, ("month", "key_id", "team_id", "model", "upstream"), sums)
    accounts = Tally(BilledOfAccount, ("month", "account_id"), sums)
    for clip, amount, jobs in found:
        task = clip.video.task
        at = clip.submitted_at or task.created_at
        day, of = at.astimezone(UTC).date(), (task.key_id, task.team_id or 0, task.model, clip.upstream)
        steps.add_to_steps(at, now, clip.upstream, jobs=jobs, billed=amount)
        models.add(day, task.model, clip.upstream, jobs=jobs, billed=amount)
        days.add(day, *of, jobs=jobs, billed=amount)
        months.add(day.replace(day=1), *of, jobs=jobs, billed=amount)
        if clip.account_id:
            accounts.add(day.replace(day=1), clip.account_id, jobs=jobs, billed=amount)
    for tally in (steps, models, days, months, accounts):
        tally.write()


_BILLED = (BilledCount, BilledOfModel, BilledOfDay, BilledOfMonth, BilledOfAccount)


def recount_billed() -> int:
    """Add up anew what is noted on the clips as counted. How many there are."""
    read = 0
    with cursor_of(BILLED) as cursor:
        if cursor is None:
            raise BusyError
        for table in _BILLED:
            table.objects.all().delete()
        clips = Clip.objects.exclude(billed_counted=0).select_related("video__task").order_by("pk")
        batch: list[tuple[Clip, Decimal, int]] = []
        for clip in clips.iterator(chunk_size=BATCH):
            read += 1
            batch.append((clip, clip.billed_counted, 1))
            if len(batch) == BATCH:
                _add_billed(batch)
                batch = []
        _add_billed(batch)
    return read


ROLL_UPS = (
    RollUp(
        name=MAKING,
        tables=(MakingTime,),
        roll_up=TIMINGS.count_new,
        first_left=TIMINGS.first_left,
        rebuild=lambda: TIMINGS.count_anew((MakingTime,)),
    ),
    RollUp(name=BILLED, tables=_BILLED, roll_up=count_billed, rebuild=recount_billed),
    RollUp(name=CALLS, tables=(CallCount, CallTime)),
)
