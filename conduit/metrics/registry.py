"""Which figures there are."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

# Seconds, doubling to more than an hour: of what people wait for.
LONG = tuple(2.0**power for power in range(-4, 13))
# Of calls and answers.
SHORT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Sample(NamedTuple):
    """One figure: the name of its metric, and its labels' values in their order."""

    metric: str
    labels: tuple[str, ...]
    value: float


@dataclass(frozen=True)
class Metric:
    name: str  # in full, as Prometheus wants it: conduit_…, in seconds, bytes or usd
    says: str  # a sentence
    labels: tuple[str, ...] = ()

    kind: ClassVar[str]

    def of(self, *labels: str, value: float) -> Sample:
        return Sample(self.name, labels, float(value))


@dataclass(frozen=True)
class Count(Metric):
    """What only grows. Its name ends with `_total`."""

    kind = "counter"


@dataclass(frozen=True)
class Gauge(Metric):
    """How it stands."""

    kind = "gauge"


@dataclass(frozen=True)
class Times(Metric):
    """How long things took, in seconds. Its name ends with `_seconds`."""

    bounds: tuple[float, ...] = LONG

    kind = "histogram"


@dataclass(frozen=True)
class Reading:
    """Gauges that are read together: few and cheap queries, none of which reads a whole table."""

    name: str
    gauges: tuple[Gauge, ...]
    read: Callable[[], Iterable[Sample]]


_metrics: dict[str, Metric] = {}
_readings: dict[str, Reading] = {}


def register(*metrics: Metric, reading: Reading | None = None) -> None:
    """Have these told, and what is read. ValueError for a name that is taken, or that says another kind of metric."""
    for metric in (*metrics, *(reading.gauges if reading else ())):
        _check(metric)
        _metrics[metric.name] = metric
    if reading:
        _readings[reading.name] = reading


def _check(metric: Metric) -> None:
    if metric.name in _metrics:
        raise ValueError(f"There is a metric {metric.name!r} already.")
    if not re.fullmatch(r"conduit_[a-z][a-z0-9_]+", metric.name):
        raise ValueError(f"{metric.name!r} is no name of a metric of ours: conduit_ and lower case words.")
    ends = {"counter": "_total", "histogram": "_seconds"}.get(metric.kind, "")
    if not metric.name.endswith(ends) or (metric.kind == "gauge" and metric.name.endswith("_total")):
        raise ValueError(f"{metric.name!r} does not end as the name of a {metric.kind} does.")


def registered() -> tuple[Metric, ...]:
    """All of them, by name."""
    return tuple(_metrics[name] for name in sorted(_metrics))


def readings() -> tuple[Reading, ...]:
    return tuple(_readings.values())
