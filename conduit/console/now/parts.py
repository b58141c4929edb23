"""The parts of which the page Now is made: each a piece of HTML, so that the page and its socket show the same.

What is shown comes from roll-ups (videos.now) and the table of conditions; nothing is computed here. Parts of a span of time have its
name before theirs, such as `24h:ended`.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar, cast
from uuid import UUID

from django.template.loader import render_to_string

from conduit import clock
from conduit.conditions.reading import Place, place
from conduit.console.now.figures import before_in_words, chart_of, in_words, searches_of, steering_of, waits_of, with_lists
from conduit.console.tasks.addresses import task_address
from conduit.console.tasks.rows import rows
from conduit.rollups.steps import SPANS, Span
from tasks.models import Pause
from videos.now import Before, Live, MoneyOf, Spanned, before, live, spanned, yesterday

# Parts that only people who may see money see.
OF_MONEY = frozenset({"money", "keys"})
MONEY_RIGHT = "keys.view_usagecost"
# Figures that were read so lately (seconds) are good for the next request.
FRESH_SECONDS = 0.8
# The same of figures of the day before.
BEFORE_SECONDS = 60.0

Of = TypeVar("Of")


class Part(NamedTuple):
    """A piece of HTML, or the figures of a chart. Of two with one `key` the second need not be told."""

    key: object
    content: str | dict[str, list[Any]]


@dataclass(frozen=True)
class Figures:
    """All that was read at one moment."""

    live: Live
    yesterday: MoneyOf
    place: Place
    pauses: Sequence[Pause]
    spans: Mapping[str, Spanned]
    before: Mapping[str, Before]  # by the same spans


class Reader:
    """Reads figures, once for all requests within a moment. May be used by several threads: they may read the same at once."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[float, Any]] = {}

    def figures(self, spans: Collection[str]) -> Figures:
        """What Now shows of these spans; about a dozen queries, and sixteen for each span."""
        now = clock.now()

        def of_spans(name: str, read: Callable[[Span, datetime], Of], seconds: float) -> dict[str, Of]:
            return {span: self._fresh(f"{span}{name}", partial(read, SPANS[span], now), seconds) for span in spans}

        return Figures(
            live=self._fresh("live", lambda: live(now)),
            yesterday=self._fresh("yesterday", lambda: yesterday(now), BEFORE_SECONDS),
            place=self._fresh("place", place),
            pauses=self._fresh("pauses", lambda: list(Pause.objects.active(now))),
            spans=of_spans("", spanned, FRESH_SECONDS),
            before=of_spans(" before", before, BEFORE_SECONDS),
        )

    def _fresh(self, name: str, read: Callable[[], Of], seconds: float = FRESH_SECONDS) -> Of:
        at, kept = self._read.get(name, (0.0, None))
        if kept is not None and time.monotonic() - at <= seconds:
            return cast(Of, kept)
        found = read()
        self._read[name] = (time.monotonic(), found)
        return found


reader = Reader()


def parts(figures: Figures, running: Mapping[UUID, dict[str, Any]] | None = None) -> dict[str, Part]:
    """All parts by name. `running` are the rows of what is being made; without them they are read."""
    shown = rows(figures.live.running) if running is None else running
    found = {
        "needs": _needs(figures),
        "steering": _html("steering", steering_of(figures.pauses) | {"may_pause": False}),
        "steering.operator": _html("steering", steering_of(figures.pauses) | {"may_pause": True}),
        "standing": _html("standing", {"standing": figures.live.workload, "waits": waits_of(figures.live.workload)}),
        "money": _money(figures.live, figures.yesterday),
        "workers": _html("workers", {"live": figures.live, "heard": [seen for seen in figures.live.workers if seen.is_heard]}),
        "running": _running(figures.live, shown),
    }
    for name, of_span in figures.spans.items():
        found |= {f"{name}:{part}": one for part, one in _of_span(of_span, figures.before[name]).items()}
    return found


def are_for(names: Collection[str], span: str, *, sees_money: bool) -> frozenset[str]:
    """Those of the parts that a page of this span is told."""
    return frozenset(
        name for name in names if name.rpartition(":")[0] in ("", span) and (sees_money or name.rpartition(":")[2] not in OF_MONEY)
    )


def _of_span(of: Spanned, before: Before) -> dict[str, Part]:
    context = {
        "of": of,
        "before": before,
        "span": of.span,
        "in_words": in_words(of),
        "before_in_words": before_in_words(of.span, before.past),
        "last_error_address": task_address(of.last_error.task_id) if of.last_error else "",
        **searches_of(of, before.past),
    }
    chart = chart_of(of)
    return {**{name: _html(name, context) for name in ("ended", "times", "causes", "minimax", "keys")}, "chart": Part(chart, chart)}


def _needs(figures: Figures) -> Part:
    return _html("needs", {"needs": with_lists(figures.place.holding)})


def _money(of: Live, yesterday: MoneyOf) -> Part:
    return _html("money", {"today": of.today, "yesterday": yesterday, "month": of.month, "held": of.workload.held})


def _running(of: Live, shown: Mapping[UUID, dict[str, Any]]) -> Part:
    """Oldest first, so that what begins comes below; rows are kept by themselves, so that their table is told when other ones are in it."""
    ids = [task_id for task_id in sorted(of.running) if task_id in shown]
    running = [shown[task_id] | {"age": (of.at - datetime.fromisoformat(shown[task_id]["created"])).total_seconds()} for task_id in ids]
    part = _html("running", {"running": running, "processing": of.workload.processing})
    return Part((ids, of.workload.processing), part.content)


def _html(name: str, context: dict[str, Any]) -> Part:
    text = render_to_string(f"console/now/{name}.html", context)
    return Part(text, text)
