"""Adding to what was counted."""

import json
from bisect import bisect_left
from decimal import Decimal

from conduit.metrics.models import LABELS_CHARACTERS, Total
from conduit.metrics.registry import Count, Times
from conduit.rollups.adding import Tally

SUM, MORE = "sum", "+Inf"
LABEL_CHARACTERS = 80
_PLACES = 6


class Totals:
    """What is to be added. Write it in one transaction with that of which it is counted."""

    def __init__(self) -> None:
        self._tally = Tally(Total, ("metric", "labels", "part"), ("value",))

    def add(self, metric: Count, *labels: str, amount: float | Decimal = 1) -> None:
        """So many more."""
        self._tally.add(metric.name, packed(labels), "", value=_exact(amount))

    def add_seconds(self, metric: Times, *labels: str, seconds: float, count: int = 1) -> None:
        """`count` that took so long, each."""
        at = packed(labels)
        self._tally.add(metric.name, at, bucket_of(metric, seconds), value=Decimal(count))
        self._tally.add(metric.name, at, SUM, value=_exact(max(0.0, seconds) * count))

    def write(self) -> None:
        self._tally.write()


def bucket_of(metric: Times, seconds: float) -> str:
    """The least of its bounds that is not less."""
    number = bisect_left(metric.bounds, seconds)
    return f"{metric.bounds[number]:g}" if number < len(metric.bounds) else MORE


def packed(labels: tuple[str, ...]) -> str:
    """Labels as they are kept. They are names of ours: what is longer than those is cut."""
    text = json.dumps([label[:LABEL_CHARACTERS] for label in labels], ensure_ascii=False)
    return text if len(text) <= LABELS_CHARACTERS else json.dumps(["…"] * len(labels), ensure_ascii=False)


def unpacked(labels: str) -> tuple[str, ...]:
    return tuple(json.loads(labels))


def _exact(amount: float | Decimal) -> Decimal:
    return round(Decimal(amount), _PLACES)
