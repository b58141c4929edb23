"""Times, counted in buckets that grow: percentiles of any number of them are read from a few dozen counts.

A bucket reaches from 2^(n/4) to 2^((n+1)/4) seconds, so that what is read from it is off by 10 % at most, and usually by far less.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

PER_DOUBLING = 4
# A millisecond and below, eleven days and above.
LEAST, MOST = -40, 80


def bucket_of(seconds: float) -> int:
    """The number of the bucket that holds so many seconds."""
    if seconds <= 0:
        return LEAST
    return min(MOST, max(LEAST, math.floor(math.log2(seconds) * PER_DOUBLING)))


@dataclass(frozen=True)
class Histogram:
    """How many there are in each bucket."""

    counts: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[tuple[int, int]]) -> "Histogram":
        """From (bucket, count), a bucket as often as it likes."""
        counts: dict[int, int] = {}
        for bucket, count in rows:
            counts[bucket] = counts.get(bucket, 0) + count
        return cls(counts)

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    def percentile(self, percent: float) -> float | None:
        """Seconds that so many percent took at most, within the bucket as if they were spread evenly; None when there are none."""
        wanted = self.count * percent / 100
        passed = 0
        for bucket in sorted(self.counts):
            here = self.counts[bucket]
            if here and passed + here >= wanted:
                return float(2 ** ((bucket + (wanted - passed) / here) / PER_DOUBLING))
            passed += here
        return None

    @property
    def p50(self) -> float | None:
        return self.percentile(50)

    @property
    def p95(self) -> float | None:
        return self.percentile(95)
