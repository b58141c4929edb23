"""Whether a clip's frames come at a constant rate, and at which."""

from fractions import Fraction

import pytest

from videos.media.timing import timing

MILLISECONDS = Fraction(1, 1000)


def at(*, fps: Fraction, frames: int, unit: Fraction = MILLISECONDS) -> tuple[list[int], int]:
    times = [round(index / fps / unit) for index in range(frames + 1)]
    return times[:-1], times[-1]


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(25), Fraction(30), Fraction(30_000, 1001), Fraction(24_000, 1001), Fraction(60)])
@pytest.mark.parametrize("unit", [MILLISECONDS, Fraction(1, 90_000)])
def test_a_usual_rate_is_seen_through_rounded_times(fps, unit):
    found = timing(*at(fps=fps, frames=150, unit=unit), unit)
    assert (found.rate, found.frames, found.constant) == (fps, 150, True)


def test_jitter_below_a_quarter_of_a_frame_is_no_other_rate():
    times, end = at(fps=Fraction(25), frames=150)
    found = timing([time + index % 3 * 4 for index, time in enumerate(times)], end, MILLISECONDS)
    assert (found.rate, found.frames, found.constant, found.exact) == (25, 150, True, False)


def test_a_frame_that_is_missing_makes_a_rate_that_varies_and_is_counted():
    times, end = at(fps=Fraction(25), frames=50)
    found = timing(times[:20] + times[22:], end, MILLISECONDS)
    assert (found.rate, found.frames, found.constant) == (25, 50, False)


def test_two_frames_at_one_moment_are_no_constant_rate():
    times, end = at(fps=Fraction(25), frames=50)
    found = timing(sorted([*times, times[20]]), end, MILLISECONDS)
    assert (found.rate, found.frames, found.constant) == (25, 50, False)


def test_what_is_faster_than_browsers_promise_is_slowed_to_sixty_frames_a_second():
    found = timing(*at(fps=Fraction(120), frames=240, unit=Fraction(1, 90_000)), Fraction(1, 90_000))
    assert (found.rate, found.frames, found.constant) == (60, 120, False)


def test_a_single_frame_lasts_as_long_as_it_says():
    assert timing([0], 40, MILLISECONDS).rate == 25
