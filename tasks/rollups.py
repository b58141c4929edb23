"""How many tasks got where in a span of time, why they failed and how long they took: counted of the stored events.

A tick does that (conduit.rollups): pages read some dozens of counts, however many tasks there are. What is counted may be a
second or two old. How things stand at this moment is `tasks.workload`'s.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Sum

from conduit import clock
from conduit.rollups.adding import Tally
from conduit.rollups.counting import Counter
from conduit.rollups.histograms import Histogram, bucket_of
from conduit.rollups.registry import RollUp
from conduit.rollups.steps import Past, Span
from tasks import ends, metrics
from tasks.models import Status, TaskEvent
from tasks.rollup_models import TaskCount, TaskTime

NAME = "tasks"
What = TaskTime.What


@dataclass(frozen=True)
class Counts:
    """How many tasks were created, were begun and ended so."""

    created: int = 0
    started: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def ended(self) -> int:
        return self.completed + self.failed + self.cancelled


@dataclass(frozen=True)
class Point:
    """One step of a chart, from `at` on."""

    at: datetime
    counts: Counts


@dataclass(frozen=True)
class TimePoint:
    """The times of one step of a chart, in seconds; None where there were none."""

    at: datetime
    count: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True)
class Cause:
    """Why tasks failed."""

    error_code: str
    count: int


_FIELDS = {
    Status.QUEUED: "created",
    Status.PROCESSING: "started",
    Status.COMPLETED: "completed",
    Status.FAILED: "failed",
    Status.CANCELLED: "cancelled",
}


# ---- Reading ---------------------------------------------------------------------------------------------------------


def chart(span: Span, now: datetime | None = None) -> list[Point]:
    """A point for each step of the span, the oldest first, those in which nothing happened too. One query."""
    now = now or clock.now()
    found: dict[datetime, dict[str, int]] = defaultdict(dict)
    rows = TaskCount.objects.filter(step=span.step, starts_at__gte=span.since(now))
    for at, status, count in rows.order_by().values_list("starts_at", "status").annotate(Sum("count")):
        found[at][_FIELDS[Status(status)]] = count
    return [Point(at, Counts(**found.get(at, {}))) for at in span.moments(now)]


def total(points: Sequence[Point]) -> Counts:
    """All of a chart's steps together."""
    return Counts(**{name: sum(getattr(point.counts, name) for point in points) for name in _FIELDS.values()})


def total_of(past: Past) -> Counts:
    """What happened in a time that is over. One query."""
    rows = TaskCount.objects.filter(step=past.step, starts_at__gte=past.since, starts_at__lt=past.until)
    return Counts(**{_FIELDS[Status(status)]: count for status, count in rows.order_by().values_list("status").annotate(Sum("count"))})


def times_of(past: Past, what: TaskTime.What) -> Histogram:
    """How long tasks were queued, or took until they were done, in a time that is over. One query."""
    rows = TaskTime.objects.filter(step=past.step, starts_at__gte=past.since, starts_at__lt=past.until, what=what)
    return Histogram.of(rows.order_by().values_list("bucket").annotate(Sum("count")))


def causes(span: Span, now: datetime | None = None) -> list[Cause]:
    """Why tasks failed within the span, most frequent first. One query."""
    rows = TaskCount.objects.filter(step=span.step, starts_at__gte=span.since(now or clock.now()), status=Status.FAILED)
    counts = rows.order_by().values_list("error_code").annotate(sum=Sum("count")).order_by("-sum", "error_code")
    return [Cause(code, count) for code, count in counts]


def times(span: Span, what: TaskTime.What, now: datetime | None = None) -> Histogram:
    """How long tasks were queued, or took until they were done. One query."""
    rows = TaskTime.objects.filter(step=span.step, starts_at__gte=span.since(now or clock.now()), what=what)
    return Histogram.of(rows.order_by().values_list("bucket").annotate(Sum("count")))


def time_chart(span: Span, what: TaskTime.What, now: datetime | None = None) -> list[TimePoint]:
    """A point for each step of the span, the oldest first. One query."""
    now = now or clock.now()
    found: dict[datetime, list[tuple[int, int]]] = defaultdict(list)
    rows = TaskTime.objects.filter(step=span.step, starts_at__gte=span.since(now), what=what)
    for at, bucket, count in rows.order_by().values_list("starts_at", "bucket").annotate(Sum("count")):
        found[at].append((bucket, count))
    histograms = ((at, Histogram.of(found.get(at, ()))) for at in span.moments(now))
    return [TimePoint(at, one.count, one.p50, one.p95) for at, one in histograms]


# ---- Counting --------------------------------------------------------------------------------------------------------


def _count(events: Sequence[TaskEvent]) -> None:
    now = clock.now()
    counts = Tally(TaskCount, ("step", "starts_at", "status", "model", "error_code"))
    took = Tally(TaskTime, ("step", "starts_at", "what", "model", "bucket"))
    for event in events:
        task, at = event.task, event.created_at
        code = task.error_code if event.status == Status.FAILED else ""
        counts.add_to_steps(at, now, event.status, task.model, code)
        if what := _TIMES.get(Status(event.status)):
            took.add_to_steps(at, now, what, task.model, bucket_of((at - task.created_at).total_seconds()))
    counts.write()
    took.write()


def _count_once(events: Sequence[TaskEvent]) -> None:
    """What no counting anew repeats."""
    metrics.total(events)
    ends.tell_on_commit(events)


_TIMES = {Status.PROCESSING: What.QUEUED, Status.COMPLETED: What.DONE}

EVENTS = Counter(
    name=NAME,
    rows=lambda: TaskEvent.objects.select_related("task").only(
        "status", "created_at", "task__model", "task__error_code", "task__created_at"
    ),
    count=_count,
    moment="created_at",
    total=_count_once,
)

ROLL_UP = RollUp(
    name=NAME,
    tables=(TaskCount, TaskTime),
    roll_up=EVENTS.count_new,
    first_left=EVENTS.first_left,
    rebuild=lambda: EVENTS.count_anew((TaskCount, TaskTime)),
)
