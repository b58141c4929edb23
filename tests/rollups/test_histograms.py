"""Percentiles are read from counts of buckets, and are near what they stand for."""

import random
import statistics

import pytest

from conduit.rollups.histograms import LEAST, MOST, Histogram, bucket_of


@pytest.mark.parametrize("usual", [0.05, 3.0, 110.0, 4000.0])
def test_a_percentile_is_off_by_a_tenth_at_most(usual):
    chance = random.Random(20261130)
    seconds = [chance.lognormvariate(0, 0.7) * usual for _ in range(5000)]
    histogram = Histogram.of((bucket_of(one), 1) for one in seconds)

    exact = statistics.quantiles(seconds, n=100)
    assert histogram.p50 == pytest.approx(exact[49], rel=0.1)
    assert histogram.p95 == pytest.approx(exact[94], rel=0.1)
    assert histogram.count == 5000


def test_the_same_time_over_and_over_stays_within_its_bucket():
    histogram = Histogram.of([(bucket_of(8.0), 1000)])

    assert 8.0 <= histogram.p50 <= histogram.p95 <= 8.0 * 2**0.25


def test_nothing_has_no_percentile_and_the_strangest_times_have_a_bucket():
    assert Histogram().p50 is None
    assert [bucket_of(seconds) for seconds in (-1, 0, 1e-9, 1, 1e12)] == [LEAST, LEAST, LEAST, 0, MOST]
