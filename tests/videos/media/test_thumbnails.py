"""The thumbnail is a bright picture of the video, at the video's ratio."""

import pytest

from tests.support.real_clips import Clip, decoded_frames, mean


def test_the_thumbnail_is_a_jpeg_of_a_frame_at_a_third(made):
    result = made(Clip(frames=25, luma=lambda index: 60 + 5 * index), wish=(128, 72, 1))
    assert result.thumbnail.read_bytes()[:3] == b"\xff\xd8\xff"
    picture = result.picture()
    assert (picture.width, picture.height) == (128, 72)
    shown = decoded_frames(result.video)[8].reformat(format="rgb24", src_colorspace="ITU709")
    assert mean(picture.reformat(format="rgb24"), columns=slice(0, 300)) == pytest.approx(mean(shown, columns=slice(0, 300)), abs=6)


def test_the_thumbnail_is_not_black_when_a_brighter_frame_is_near(made):
    assert mean(made(Clip(frames=50, luma=lambda index: 16 if index < 30 else 200), wish=(128, 72, 2)).picture()) > 100


def test_a_black_video_still_has_a_thumbnail(made):
    assert mean(made(Clip(luma=lambda index: 16), wish=(128, 72, 1)).picture()) < 20


@pytest.mark.parametrize("colorspace", ["bt709", "smpte170m", "bt2020nc", "ycgco"])
def test_a_thumbnail_is_made_whatever_colours_the_video_claims(made, colorspace):
    assert 60 < mean(made(Clip(encoder={"x264-params": f"colormatrix={colorspace}"}), wish=(128, 72, 1)).picture()) < 90


@pytest.mark.parametrize(
    ("wish", "thumbnail"), [((1920, 1080, 1), (1280, 720)), ((1080, 1920, 1), (720, 1280)), ((720, 480, 1), (720, 480))]
)
def test_a_large_video_has_a_smaller_thumbnail_of_the_same_ratio(made, wish, thumbnail):
    result = made(Clip(frames=25, encoder={"preset": "ultrafast"}), wish=wish)
    assert (result.picture().width, result.picture().height) == thumbnail
