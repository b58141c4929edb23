"""When frames are shown: whether that is a constant rate, and which one. Pure arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from statistics import median_low

# No model makes more, and browsers' decoders are promised no more at 1080p (H.264 level 4.2).
FASTEST = Fraction(60)

# What cameras and models use. Time stamps in milliseconds only come near them.
_USUAL = tuple(Fraction(rate) for rate in (10, 12, 15, 16, 20, 24, 25, 30, 48, 50, 60)) + tuple(
    Fraction(n, 1001) for n in (24_000, 30_000, 60_000)
)


@dataclass(frozen=True, slots=True)
class Timing:
    """A constant rate for a clip, and how many frames it has at that rate.

    `constant`: the clip's frames come at that rate already, one by one, give or take a jitter.
    `exact`: even without jitter, so that its time stamps can stay as they are.
    """

    rate: Fraction
    frames: int
    constant: bool
    exact: bool


def timing(times: Sequence[int], end: int, unit: Fraction) -> Timing:
    """Of frames shown at `times` (rising or equal), the last one until `end`, in units of `unit` seconds."""
    length = (end - times[0]) * unit
    count = len(times)
    if count == 1:
        return _slowed(Timing(_usual(1 / length, Fraction(1, 100)), 1, constant=True, exact=True), length)
    steps = [after - before for before, after in pairwise(times)]
    mean = Fraction(times[-1] - times[0], count - 1)
    # A quarter of a frame: rounding and muxers stay under it, a frame that is missing or shown twice does not.
    constant = (
        mean > 0
        and all(abs(at - times[0] - index * mean) <= max(Fraction(1), mean / 4) for index, at in enumerate(times))
        and min(steps) > 0
    )
    if constant:
        exact = max(steps) - min(steps) <= 1
        rate = _usual(1 / (mean * unit), Fraction(1, 2000 if exact else 200))  # a jitter of the last frame moves the mean
        return _slowed(Timing(rate, count, constant=True, exact=exact), length)
    usual_step = median_low([step for step in steps if step > 0] or [end - times[0]])
    rate = min(FASTEST, _usual(1 / (usual_step * unit), Fraction(1, 50)))
    return Timing(rate, max(1, round(length * rate)), constant=False, exact=False)


def _slowed(found: Timing, length: Fraction) -> Timing:
    """A rate that browsers keep up with."""
    return found if found.rate <= FASTEST else Timing(FASTEST, max(1, round(length * FASTEST)), constant=False, exact=False)


def _usual(rate: Fraction, tolerance: Fraction) -> Fraction:
    near = min(_USUAL, key=lambda usual: abs(usual - rate))
    return near if abs(near - rate) <= near * tolerance else rate.limit_denominator(1001)
