"""A clip that already is what was asked for is not encoded again: its index comes to the front, and that is all."""

from fractions import Fraction

import av
import pytest

from tests.support.real_clips import Clip, boxes, decoded_frames

WISH = (128, 72, 1)


def packets(path, kind):
    with av.open(str(path)) as file:
        return [bytes(packet) for packet in file.demux({kind: 0})]


@pytest.mark.parametrize("frames", [24, 25, 26])
def test_pictures_and_sound_are_copied_bit_by_bit_when_size_and_length_are_right_to_a_frame(made, frames):
    result = made(Clip(frames=frames, sound="aac"), wish=WISH)
    assert packets(result.video, "video") == packets(result.clips[0], "video")
    assert packets(result.video, "audio") == packets(result.clips[0], "audio")
    assert (result.facts.frames, result.facts.speed) == (frames, 1.0)
    assert boxes(result.clips[0]).index("moov") > boxes(result.clips[0]).index("mdat")
    assert boxes(result.video).index("moov") < boxes(result.video).index("mdat")


@pytest.mark.parametrize(
    "clip",
    [
        Clip(frames=27),
        Clip(width=130),
        Clip(codec="mpeg4", encoder={}),
        Clip(codec="libx265", encoder={"x265-params": "log-level=none"}),
        Clip(pixels="yuv444p"),
        Clip(pixels="yuv420p10le"),
        Clip(pixels="yuvj420p"),
        Clip(codec="libx264rgb", pixels="rgb24"),
        Clip(shape=Fraction(4, 3)),
        Clip(rotation=180),
        Clip(start=Fraction(-1, 5), frames=30),
        Clip(times=[Fraction(index + (index % 4 == 1) * Fraction(1, 8), 25) for index in range(25)]),
    ],
    ids=["long", "wide", "mpeg4", "hevc", "4:4:4", "10 bits", "full range", "rgb", "shape", "turned", "hidden", "jitter"],
)
def test_what_is_not_as_asked_becomes_h264_at_a_constant_rate(made, clip):
    result = made(clip, wish=WISH)
    with av.open(str(result.video)) as file:
        video = file.streams.video[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt, video.sample_aspect_ratio) == ("h264", "yuv420p", 1)
        assert (video.codec_context.color_range, video.codec_context.colorspace) == (1, 1)
    times = [frame.time for frame in result.pictures()]
    assert times == pytest.approx([index / 25 for index in range(25)], abs=1e-6)
    assert (result.facts.width, result.facts.height, result.facts.fps, result.facts.duration_seconds) == (128, 72, 25.0, 1.0)


def test_a_late_beginning_moves_to_0_and_sound_with_it(made):
    result = made(Clip(start=Fraction(3, 2), sound="aac"), wish=WISH)
    with av.open(str(result.video)) as file:
        assert file.streams.video[0].start_time == 0
        assert file.streams.audio[0].start_time == 0
    assert (result.facts.frames, result.facts.duration_seconds) == (25, 1.0)


def test_sound_from_before_the_picture_is_left_out(made):
    early = Clip(sound="aac", start=Fraction(1), sound_start=Fraction(0), sound_seconds=Fraction(2))
    assert len(packets(made(early, wish=WISH).video, "audio")) == pytest.approx(44_100 / 1024, abs=6)


def test_sound_ends_with_the_picture(made):
    result = made(Clip(sound="aac", sound_seconds=Fraction(3)), wish=WISH)
    with av.open(str(result.video)) as file:
        assert file.duration / av.time_base == pytest.approx(1.0, abs=0.01)


def test_metadata_of_the_source_is_dropped(made):
    result = made(Clip(metadata={"title": "who made it"}, sound="aac"), wish=WISH)
    assert b"who made it" in result.clips[0].read_bytes()
    for word in (b"who made it", b"Lavf"):
        assert word not in result.video.read_bytes()
    assert b"Lavc" not in result.thumbnail.read_bytes()


def test_a_fragmented_file_becomes_a_whole_one(made):
    result = made(Clip(muxer={"movflags": "frag_keyframe+empty_moov"}), wish=WISH)
    assert boxes(result.clips[0]).count("moof") > 1
    assert boxes(result.video) == ["ftyp", "moov", "free", "mdat"]


def test_what_an_edit_list_hides_stays_hidden(made):
    result = made(Clip(start=Fraction(-1, 5), frames=30, number=0), wish=WISH)
    assert result.numbers(Clip()) == list(range(5, 30))
    assert len(decoded_frames(result.video)) == 25
