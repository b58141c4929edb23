"""All figures of the place as Prometheus reads them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import structlog
from django.db import Error
from prometheus_client import Metric as Family
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from conduit.conditions.reading import Place
from conduit.conditions.reading import place as conditions_now
from conduit.metrics import own, place
from conduit.metrics.models import Total
from conduit.metrics.registry import Count, Gauge, Metric, Sample, Times, registered
from conduit.metrics.totals import MORE, SUM, unpacked

log = structlog.get_logger(__name__)

# Far above what models, causes and routes make.
TOTALS_MAX = 50_000

CONDITION = Gauge(
    "conduit_condition_subjects",
    "For how many subjects a condition of the place holds: 0 while it does not. Conditions of which nothing is known are missing.",
    ("condition", "severity"),
)
AGE = Gauge("conduit_figures_age_seconds", "How long ago the figures of the whole place were read.")
LIVE: tuple[Metric, ...] = (CONDITION, AGE, place.FAILED)

# Of one metric: by its labels, by part.
Parts = Mapping[tuple[str, ...], Mapping[str, float]]


class Exposition(Collector):
    """Reads everything when it is asked to collect. While the database is away it tells the conditions, of which that is one."""

    def collect(self) -> Iterator[Family]:
        at_hand = conditions_now()
        samples = list(_conditions(at_hand))
        figures = _figures() if at_hand.is_known else None
        if figures is None:
            yield _family(CONDITION, samples, {})  # and no count: one of 0 would be taken for a new beginning
            return
        of_the_place, totals = figures
        told: dict[str, list[Sample]] = defaultdict(list)
        for sample in samples + of_the_place:
            told[sample.metric].append(sample)
        for metric in registered():
            yield _family(metric, told.get(metric.name, ()), totals.get(metric.name, {}))


def _conditions(at_hand: Place) -> Iterator[Sample]:
    for state in at_hand.states:
        if state.known:
            yield CONDITION.of(state.condition.name, state.condition.severity.word, value=len(state.subjects))


def _figures() -> tuple[list[Sample], dict[str, Parts]] | None:
    """All but the conditions; None when the database is away."""
    try:
        found, age = place.snapshot()
        return [*found, AGE.of(value=age), *own.told()], _totals()
    except Error as error:
        log.warning("metrics not read: the database is away", error=type(error).__name__)
        return None


def _totals() -> dict[str, Parts]:
    found: dict[str, dict[tuple[str, ...], dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    rows = Total.objects.order_by("metric", "labels").values_list("metric", "labels", "part", "value")[:TOTALS_MAX]
    for name, labels, part, value in rows:
        found[name][unpacked(labels)][part] = float(value)
    return dict(found)


def _family(metric: Metric, samples: Sequence[Sample], totals: Parts) -> Family:
    match metric:
        case Times():
            return _histogram(metric, totals)
        case Count():
            values = {labels: parts[""] for labels, parts in totals.items() if "" in parts}
            return _plain(CounterMetricFamily(metric.name, metric.says, labels=metric.labels), metric, _values(samples) | values)
    return _plain(GaugeMetricFamily(metric.name, metric.says, labels=metric.labels), metric, _values(samples))


def _values(samples: Iterable[Sample]) -> dict[tuple[str, ...], float]:
    return {sample.labels: sample.value for sample in samples}


def _plain(family: Any, metric: Metric, values: Mapping[tuple[str, ...], float]) -> Family:
    if isinstance(metric, Count) and not metric.labels:
        values = values or {(): 0.0}
    for labels, value in sorted(values.items()):
        if len(labels) == len(metric.labels):  # an older version may have kept others
            family.add_metric(labels, value)
    return cast(Family, family)


def _histogram(metric: Times, totals: Parts) -> Family:
    family = HistogramMetricFamily(metric.name, metric.says, labels=metric.labels)
    # As they are kept, and as Prometheus calls them.
    names = {**{f"{bound:g}": repr(bound) for bound in metric.bounds}, MORE: MORE}
    for labels, parts in sorted(totals.items()):
        if len(labels) != len(metric.labels):
            continue
        sums, so_far = [], 0.0
        for name, bound in names.items():
            so_far += parts.get(name, 0.0)
            sums.append((bound, so_far))
        family.add_metric(labels, buckets=sums, sum_value=parts.get(SUM, 0.0))
    return family
