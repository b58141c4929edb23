"""How many frames of the clips a video keeps, and how fast it shows them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videos.media.cutting import LACK_MAX, cut


@pytest.mark.parametrize(
    ("frames", "fps", "seconds", "kept", "rate"),
    [
        ([150], 25, 6, 150, 25),
        ([153], 25, 6, 150, 25),
        ([150], 25, 1, 25, 25),
        ([147], 25, 6, 147, Fraction(49, 2)),
        ([107], 24, 4, 96, 24),
        ([150] * 10, 25, 60, 1491, Fraction(497, 20)),
        ([150, 150], 25, 7, 175, 25),
        ([365] * 4, 24, 60, 1440, 24),
        ([150] * 3, 25, 12, 300, 25),
        ([60], Fraction(30_000, 1001), 2, 60, Fraction(30_000, 1001)),
    ],
)
def test_what_is_too_much_is_cut_and_a_little_lack_is_spread(frames, fps, seconds, kept, rate):
    made = cut(frames, fps, seconds)
    assert (made.frames, made.rate, made.needs_another) == (kept, rate, False)


def test_ten_clips_of_150_frames_last_a_minute_a_little_slower():
    made = cut([150] * 10, 25.0, 60)
    assert (float(made.rate), made.speed, made.lacking) == (24.85, 0.994, 0.006)


@pytest.mark.parametrize(("there", "another"), [(94, False), (93, True), (100, False), (50, True)])
def test_a_lack_of_more_than_six_percent_needs_another_clip(there, another):
    made = cut([there], 25, 4)
    assert made.needs_another is another
    assert made.lacking == pytest.approx(1 - there / 100)


@pytest.mark.parametrize(("frames", "fps", "seconds"), [([], 25, 6), ([0], 25, 6), ([150], 0, 6), ([150], 25, 0)])
def test_what_is_no_clip_rate_or_length_is_refused(frames, fps, seconds):
    with pytest.raises(ValueError):
        cut(frames, fps, seconds)


@given(
    frames=st.lists(st.integers(1, 400), min_size=1, max_size=20),
    fps=st.sampled_from([Fraction(24), Fraction(25), Fraction(30_000, 1001), Fraction(60)]),
    seconds=st.integers(1, 60),
)
def test_a_video_is_as_long_as_asked_to_half_a_frame_and_never_faster(frames, fps, seconds):
    made = cut(frames, fps, seconds)
    assert abs(made.frames / made.rate - seconds) <= Fraction(1, 2) / made.rate
    assert made.frames <= sum(frames) - len(frames) + 1
    assert made.rate <= fps
    assert 0 <= made.lacking < 1
    if not made.needs_another:
        assert made.speed >= 1 - LACK_MAX - Fraction(1, 1000)


@pytest.mark.parametrize("seconds", [1, 2, 3, 5, 6, 7, 10, 12, 15, 17, 30, 60])
@pytest.mark.parametrize("off", range(-3, 4))
def test_clips_of_video_01_reach_every_length_with_the_fewest_clips(seconds, off):
    """Each 6 s long, give or take three frames: only the frames that joins and short clips cost are made up."""
    clips = [150 + off] * -(-seconds // 6)
    made = cut(clips, 25, seconds)
    assert not made.needs_another
    assert made.frames / made.rate == seconds
    assert made.speed >= 0.97
