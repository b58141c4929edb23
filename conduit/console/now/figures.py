"""What the parts of Now say of the figures that they are given."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.urls import reverse

from conduit.conditions.reading import State
from conduit.console.tasks.words import IN_LINE, WAITED_FOR
from conduit.console.written import span as time_span
from conduit.rollups.steps import Past, Span, first_of_month
from tasks.models import Pause, PauseKind
from tasks.workload import Workload
from videos.now import Spanned

SPAN_WORDS = {"1h": "the last hour", "24h": "the last 24 hours", "30d": "the last 30 days"}
STEP_WORDS = {"1h": "minute", "24h": "ten minutes", "30d": "six hours"}


def with_lists(states: Iterable[State]) -> list[tuple[State, str]]:
    """Each condition that holds with the address of the list of what it holds for, or nothing."""
    console = reverse("admin:index")
    return [(state, f"{console}{state.condition.leads_to}" if state.condition.leads_to else "") for state in states]


@dataclass(frozen=True)
class Wait:
    """Tasks that wait for the same thing."""

    count: int
    found_by: str  # the qualifier and its value by which they are found
    value: str
    words: str
    since: Any


def waits_of(standing: Workload) -> list[Wait]:
    """What tasks wait for, most first."""
    found: dict[tuple[str, str], Wait] = {}
    for one in standing.waiting:
        what = ("waits", one.waiting_for or "") if one.in_line else ("stage", one.stage)
        before = found.get(what)
        since = min(one.since, before.since) if before else one.since
        words = IN_LINE.get(what[1], what[1]) if one.in_line else WAITED_FOR.get(one.stage, one.stage)
        found[what] = Wait(one.count + (before.count if before else 0), *what, f"wait for {words}", since)
    return sorted(found.values(), key=lambda wait: -wait.count)


def steering_of(pauses: Sequence[Pause]) -> dict[str, Any]:
    """What is stopped, by what can be."""
    return {
        "steering": [
            {
                "kind": kind.value,
                "what": what,
                "running": running,
                "verb": verb,
                "pauses": [pause for pause in pauses if pause.kind == kind],
                "is_stopped": any(pause.kind == kind and not pause.model for pause in pauses),
            }
            for kind, what, running, verb in (
                (PauseKind.SENDING, "Sending to MiniMax", "on", "Pause…"),
                (PauseKind.MEDIA, "Work on files", "on", "Pause…"),
                (PauseKind.NEW_WORK, "New work", "accepted", "Refuse…"),
            )
        ]
    }


def searches_of(of: Spanned, past: Past) -> dict[str, str]:
    """What finds the tasks that the figures of a span and of the time before it count, by the moments by which they count."""
    since = of.chart[0].at
    within = {f"{name}_within": f"{name}:>={_written(since)}" for name in ("created", "started", "ended")}
    before = {f"{name}_before": f"{name}:{_written(past.since)}..{_written(past.until)}" for name in ("created", "ended")}
    return {**within, **before, "created_this_month": f"created:>={first_of_month(of.chart[-1].at):%Y-%m-%d}"}


def _written(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%MZ}"


def before_in_words(span: Span, past: Past) -> str:
    """Which time it is that stands beside a span."""
    if span.name == "1h":
        return f"Yesterday from {past.since:%H:%M} to {past.until:%H:%M} UTC"
    return {"24h": "The 24 hours before", "30d": "The 30 days before"}[span.name]


def chart_of(of: Spanned) -> dict[str, list[Any]]:
    """The figures of the charts, step by step: moments in seconds, counts, and seconds until tasks were done."""
    return {
        "at": [int(point.at.timestamp()) for point in of.chart],
        "completed": [point.counts.completed for point in of.chart],
        "failed": [point.counts.failed for point in of.chart],
        "cancelled": [point.counts.cancelled for point in of.chart],
        "p50": [point.p50 and round(point.p50, 1) for point in of.time_chart],
        "p95": [point.p95 and round(point.p95, 1) for point in of.time_chart],
    }


def rows_of(chart: Any) -> list[dict[str, Any]]:
    """The charts' figures as rows of a table, newest first."""
    rows = [dict(zip(chart, values, strict=True)) for values in zip(*chart.values(), strict=True)]
    return [row | {"at": datetime.fromtimestamp(row["at"], UTC)} for row in reversed(rows)]


def in_words(of: Spanned) -> str:
    """The charts in a sentence or two, for people who cannot see them."""
    span, total = SPAN_WORDS[of.span.name], of.total
    if not total.ended:
        return f"No task ended in {span}."
    counts = f"{total.completed:,} completed, {total.failed:,} failed, {total.cancelled:,} cancelled"
    best = max(of.chart, key=lambda point: point.counts.ended)
    most = f"most of them, {best.counts.ended:,}, in the {STEP_WORDS[of.span.name]} from {_clock(best.at, of.span)}"
    done = of.times.done
    times = f" Half of those completed took {time_span(done.p50)} or less, 95 % {time_span(done.p95)} or less." if done.count else ""
    return f"In {span} {total.ended:,} tasks ended: {counts}; {most}.{times}"


def _clock(moment: Any, span: Span) -> str:
    return f"{moment:%H:%M} UTC" if span.name == "1h" else f"{moment:%Y-%m-%d %H:%M} UTC"
