"""Pictures come to the asked size upright, covered, never stretched, and in the colours of HD video."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.real_clips import Clip, decoded_frames, mean
from videos.media.framing import side, upright


@given(
    width=st.integers(16, 4096), height=st.integers(16, 4096), wish=st.sampled_from([(720, 480), (1280, 720), (1920, 1080), (1080, 1920)])
)
def test_both_sides_are_scaled_alike_to_half_a_pixel_and_cover_the_wish(width, height, wish):
    factor = max(Fraction(wish[0], width), Fraction(wish[1], height))
    for length, wanted in ((width, wish[0]), (height, wish[1])):
        made = side(length, factor, wanted)
        assert made.cropped <= length
        assert made.scaled >= wanted
        assert abs(made.scaled - made.cropped * factor) <= Fraction(1, 2)
        assert (length - made.cropped) % 4 == 0  # the middle stays in the middle, for the colours too


@pytest.mark.parametrize(
    ("rotation", "wish", "dark"),
    [
        (90, (72, 128, 1), {"rows": slice(-20, None)}),
        (-90, (72, 128, 1), {"rows": slice(0, 20)}),
        (180, (128, 72, 1), {"columns": slice(-20, None)}),
    ],
)
def test_a_picture_that_players_should_turn_is_stored_upright(made, rotation, wish, dark):
    frame = made(Clip(rotation=rotation), wish=wish).pictures()[0]
    assert (frame.width, frame.height, frame.rotation) == (*wish[:2], 0)
    assert mean(frame, **dark) == pytest.approx(30, abs=2)  # the source's left half, where a counterclockwise turn puts it


@pytest.mark.parametrize("shape", [Fraction(4, 3), Fraction(1, 2), Fraction(8, 9)])
def test_pixels_that_are_not_square_become_square(made, shape):
    stored = Clip(width=round(128 / shape), height=72, shape=shape)
    frame = made(stored, wish=(128, 72, 1)).pictures()[0]
    assert (frame.width, frame.height) == (128, 72)
    left, right = mean(frame, columns=slice(0, 60)), mean(frame, columns=slice(68, None))
    assert right == pytest.approx(2 * left, abs=4)


@pytest.mark.parametrize("wish", [(108, 192, 1), (72, 48, 1), (192, 108, 1), (16, 128, 1)])
def test_the_middle_of_a_picture_is_kept(made, wish):
    frame = made(Clip(), wish=wish).pictures()[0]
    assert (frame.width, frame.height) == wish[:2]
    half = frame.width // 2
    assert mean(frame, columns=slice(0, half - 2)) == pytest.approx(30, abs=2)
    assert mean(frame, columns=slice(half + 2, None)) == pytest.approx(60, abs=2)


@pytest.mark.parametrize(
    "clip",
    [
        Clip(pixels="yuvj420p"),
        Clip(encoder={"x264-params": "colormatrix=smpte170m"}),
        Clip(encoder={"x264-params": "colormatrix=bt2020nc"}),
        Clip(pixels="yuv420p10le", encoder={"x264-params": "colormatrix=smpte170m"}),
        Clip(codec="libx264rgb", pixels="rgb24"),
    ],
    ids=["full range", "bt601", "bt2020", "bt601 in 10 bits", "rgb"],
)
def test_colours_look_the_same_and_are_said_to_be_those_of_hd(made, clip):
    result = made(clip, wish=(64, 36, 1))
    frame = result.pictures()[0]
    assert (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range) == (1, 1, 1, 1)
    before, after = shown_rgb(result.clips[0]), shown_rgb(result.video)
    assert after == pytest.approx(before, abs=5)


@pytest.mark.parametrize("claim", ["ycgco", "smpte240m", "fcc"])
def test_colours_that_are_rarely_claimed_are_no_hindrance(made, claim):
    assert 30 < mean(made(Clip(encoder={"x264-params": f"colormatrix={claim}"}), wish=(64, 36, 1)).pictures()[0]) < 60


def shown_rgb(path):
    """The mean red, green and blue of the first frame's right half, as a player shows it."""
    frame = decoded_frames(path)[0]
    picture = upright(frame, "scale=out_range=full", "format=gbrp")
    return [mean(picture, plane, columns=slice(picture.width // 2 + 2, None)) for plane in range(3)]
