"""A finished clip becomes an MP4 that every browser plays, a JPEG, and numbers that are true; a bad one a plain error."""

import io
import random
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.support.real_clips import Clip, boxes, decoded_frames, mean, write
from videos.media import MediaError, VideoFacts, finish

QUIET_HEVC = {"x265-params": "log-level=none"}


class Finished:
    """What `finish` made of a clip, and where."""

    def __init__(self, folder: Path, source: Path) -> None:
        self.source, self.video, self.thumbnail = source, folder / "video.mp4", folder / "thumbnail.jpg"
        self.facts: VideoFacts = finish(source, self.video, self.thumbnail)

    def picture(self) -> av.VideoFrame:
        with av.open(str(self.thumbnail)) as source:
            return next(source.decode(video=0))


@pytest.fixture
def finished(tmp_path: Path):
    return lambda clip=None: Finished(tmp_path, write(tmp_path / "source.mp4", clip or Clip()))


def refusal(tmp_path: Path, data: bytes) -> str:
    """Why a file is refused; nothing of it may be left behind."""
    video, thumbnail = tmp_path / "video.mp4", tmp_path / "thumbnail.jpg"
    with pytest.raises(MediaError) as caught:
        finish(io.BytesIO(data), video, thumbnail)
    assert not video.exists()
    assert not thumbnail.exists()
    return str(caught.value)


# ---- The video --------------------------------------------------------------------------------------------------------


def test_the_index_comes_before_the_pictures(finished):
    made = finished()
    assert boxes(made.source).index("moov") > boxes(made.source).index("mdat")
    assert boxes(made.video).index("moov") < boxes(made.video).index("mdat")


def test_the_pictures_are_copied_bit_by_bit_when_every_browser_plays_them(finished):
    made = finished(Clip(frames=30))
    pictures = [[bytes(frame.planes[0]) for frame in decoded_frames(path)] for path in (made.source, made.video)]
    assert pictures[0] == pictures[1]
    with av.open(str(made.source)) as source, av.open(str(made.video)) as result:
        assert [bytes(packet) for packet in source.demux(video=0)] == [bytes(packet) for packet in result.demux(video=0)]


@pytest.mark.parametrize(
    ("fps", "frames", "shown_fps", "seconds"),
    [(Fraction(25), 50, 25.0, 2.0), (Fraction(24), 107, 24.0, 4.458), (Fraction(30_000, 1001), 60, 29.97, 2.002)],
)
def test_the_facts_are_read_from_the_file(finished, fps, frames, shown_fps, seconds):
    made = finished(Clip(width=160, height=90, fps=fps, frames=frames, encoder={"preset": "ultrafast"}))
    assert made.facts == VideoFacts(
        width=160,
        height=90,
        fps=shown_fps,
        duration_seconds=seconds,
        frames=frames,
        has_audio=False,
        size_bytes=made.video.stat().st_size,
        thumbnail_bytes=made.thumbnail.stat().st_size,
    )
    assert len(decoded_frames(made.video)) == frames


def test_sound_is_kept_as_it_is(finished):
    made = finished(Clip(sound="aac"))
    assert made.facts.has_audio
    sounds = []
    for path in (made.source, made.video):
        with av.open(str(path)) as file:
            sounds.append([bytes(packet) for packet in file.demux(audio=0)])
    assert sounds[0] == sounds[1]


def test_sound_that_not_every_browser_plays_becomes_aac(finished):
    made = finished(Clip(sound="libmp3lame"))
    with av.open(str(made.video)) as result:
        assert result.streams.audio[0].codec_context.name == "aac"
        samples = sum(frame.samples for frame in result.decode(audio=0))
    assert samples == pytest.approx(48_000, abs=2048)
    assert made.facts.frames == 25


def test_sound_from_before_the_picture_is_left_out(finished):
    made = finished(Clip(sound="aac", start=Fraction(1), sound_start=Fraction(0), sound_seconds=Fraction(2)))
    with av.open(str(made.video)) as result:
        assert sum(packet.size > 0 for packet in result.demux(audio=0)) == pytest.approx(44_100 / 1024, abs=6)
    assert made.facts.duration_seconds == 1.0


def test_sound_ends_with_the_picture(finished):
    made = finished(Clip(sound="aac", sound_seconds=Fraction(3)))
    with av.open(str(made.video)) as result:
        assert result.duration / av.time_base == pytest.approx(1.0, abs=0.05)
    assert made.facts.duration_seconds == 1.0


@pytest.mark.parametrize("sound", ["aac", "libmp3lame"])
def test_a_late_beginning_moves_to_0_and_sound_with_it(finished, sound):
    made = finished(Clip(start=Fraction(3, 2), sound=sound))
    with av.open(str(made.source)) as source, av.open(str(made.video)) as result:
        assert source.streams.video[0].start_time > 0
        assert result.streams.video[0].start_time == 0
        assert result.streams.audio[0].start_time == pytest.approx(0, abs=1200)  # samples: an MP3's own delay stays
    assert (made.facts.frames, made.facts.duration_seconds) == (25, 1.0)


def test_what_an_edit_list_hides_stays_hidden(finished):
    made = finished(Clip(start=Fraction(-1, 5), sound="aac"))
    shown = decoded_frames(made.video)
    assert [round(mean(frame)) for frame in shown] == pytest.approx([mean(frame) for frame in decoded_frames(made.source)], abs=2)
    assert (made.facts.frames, made.facts.duration_seconds, shown[0].pts) == (20, 0.8, 0)
    with av.open(str(made.video)) as result:
        assert not any(packet.is_discard for packet in result.demux(video=0))


def test_frames_of_a_varying_rate_keep_their_times(finished):
    times = [Fraction(index, 25) + (Fraction(1, 10) if index > 10 else 0) for index in range(25)]
    made = finished(Clip(times=times))
    assert [frame.time for frame in decoded_frames(made.video)] == pytest.approx([float(time) for time in times])
    assert (made.facts.fps, made.facts.duration_seconds) == (22.727, 1.1)


@pytest.mark.parametrize(
    "clip",
    [
        Clip(codec="mpeg4", encoder={}),
        Clip(codec="libx265", encoder=QUIET_HEVC),
        Clip(pixels="yuv444p"),
        Clip(pixels="yuv420p10le"),
        Clip(codec="libx264rgb", pixels="rgb24"),
        Clip(codec="mpeg4", encoder={}, sound="aac", start=Fraction(1)),
    ],
    ids=["mpeg4", "hevc", "4:4:4", "10 bits", "rgb", "mpeg4 with sound, late"],
)
def test_pictures_that_not_every_browser_plays_are_encoded_anew(finished, clip):
    made = finished(clip)
    with av.open(str(made.video)) as result:
        assert (result.streams.video[0].codec_context.name, result.streams.video[0].codec_context.pix_fmt) == ("h264", "yuv420p")
    before, after = decoded_frames(made.source), decoded_frames(made.video)
    assert [frame.time for frame in after] == pytest.approx([frame.time - before[0].time for frame in before])
    assert [mean(frame.reformat(format="gray")) for frame in after] == pytest.approx(
        [mean(frame.reformat(format="gray")) for frame in before], abs=3
    )
    assert (made.facts.fps, made.facts.duration_seconds, made.facts.has_audio) == (25.0, 1.0, bool(clip.sound))
    assert av.video.frame.PictureType.B in {frame.pict_type for frame in after}  # the encoder's own choice, not the source's


@pytest.mark.parametrize(("b_frames", "kept"), [("0", 24), ("2", 23)])
def test_two_frames_at_one_moment_become_one(tmp_path, b_frames, kept):
    """No muxer takes them as they are, so the pictures are encoded anew."""
    late = [Fraction(index, 25) + (Fraction(1, 50) if index > 10 else 0) for index in range(25)]
    source = write(tmp_path / "source.mp4", Clip(times=late, encoder={"bf": b_frames}))
    data = bytearray(source.read_bytes())
    second_delta = data.index(b"stts") + 24  # after the version, the count and one pair of (frames, ticks) and the frames
    assert int.from_bytes(data[second_delta : second_delta + 4], "big") == 1800  # the one pause in the clip
    data[second_delta : second_delta + 4] = bytes(4)
    source.write_bytes(data)
    made = Finished(tmp_path, source)
    assert made.facts.frames == len(decoded_frames(made.video)) == kept


def test_an_odd_size_becomes_even(finished):
    made = finished(Clip(width=129, height=73, pixels="yuv444p"))
    assert (made.facts.width, made.facts.height) == (128, 72)


@pytest.mark.parametrize(
    ("rotation", "size", "dark"),
    [
        (90, (72, 128), {"rows": slice(-20, None)}),
        (-90, (72, 128), {"rows": slice(0, 20)}),
        (180, (128, 72), {"columns": slice(-20, None)}),
    ],
)
def test_a_picture_that_players_should_turn_is_stored_upright(finished, rotation, size, dark):
    made = finished(Clip(rotation=rotation))
    frame = decoded_frames(made.video)[0]
    assert (made.facts.width, made.facts.height) == size
    assert frame.rotation == 0
    assert mean(frame, **dark) == pytest.approx(30, abs=2)  # the source's left half, where a counterclockwise turn puts it


def test_metadata_of_the_source_is_dropped(finished):
    made = finished(Clip(metadata={"title": "who made it", "comment": "what they say"}, sound="aac"))
    assert b"who made it" in made.source.read_bytes()
    assert b"who made it" not in made.video.read_bytes()
    assert b"what they say" not in made.video.read_bytes()
    assert b"Lavf" not in made.video.read_bytes()
    assert b"Lavc" not in made.thumbnail.read_bytes()


def test_a_fragmented_file_becomes_a_whole_one(finished):
    made = finished(Clip(muxer={"movflags": "frag_keyframe+empty_moov"}))
    assert boxes(made.source).count("moof") > 1
    assert boxes(made.video) == ["ftyp", "moov", "free", "mdat"]
    assert made.facts.frames == 25


def test_the_same_clip_gives_the_same_bytes(tmp_path):
    source = write(tmp_path / "source.mp4", Clip(sound="aac"))
    results = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made = Finished(tmp_path / name, source)
        results.append((made.video.read_bytes(), made.thumbnail.read_bytes()))
    assert results[0] == results[1]


def test_an_open_file_is_read_from_its_start_and_left_open(tmp_path):
    with write(tmp_path / "source.mp4").open("rb") as source:
        source.seek(0, io.SEEK_END)
        assert finish(source, tmp_path / "video.mp4", tmp_path / "thumbnail.jpg").frames == 25
        assert not source.closed


# ---- The thumbnail ----------------------------------------------------------------------------------------------------


def test_the_thumbnail_is_a_jpeg_of_a_frame_at_a_third(finished):
    made = finished(Clip(frames=30, luma=lambda index: 60 + 5 * index))
    assert made.thumbnail.read_bytes()[:3] == b"\xff\xd8\xff"
    picture = made.picture()
    assert (picture.width, picture.height) == (128, 72)
    shown = decoded_frames(made.video)[10].reformat(format="rgb24", src_colorspace="ITU709")
    assert mean(picture.reformat(format="rgb24"), columns=slice(0, 300)) == pytest.approx(mean(shown, columns=slice(0, 300)), abs=6)


def test_the_thumbnail_is_not_black_when_a_brighter_frame_is_near(finished):
    made = finished(Clip(frames=40, luma=lambda index: 16 if index < 20 else 200))
    assert mean(made.picture()) > 100


def test_a_black_video_still_has_a_thumbnail(finished):
    made = finished(Clip(luma=lambda index: 16))
    assert mean(made.picture()) < 20


def test_a_video_of_one_frame_has_a_thumbnail(finished):
    made = finished(Clip(frames=1))
    assert (made.facts.frames, made.facts.duration_seconds, made.picture().width) == (1, 0.04, 128)


@pytest.mark.parametrize("colorspace", ["bt709", "smpte170m", "bt2020nc", "ycgco"])
def test_a_thumbnail_is_made_whatever_colours_the_video_claims(finished, colorspace):
    made = finished(Clip(encoder={"x264-params": f"colormatrix={colorspace}"}))
    assert 60 < mean(made.picture()) < 90


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv444p"])
def test_the_colours_that_a_video_claims_are_kept(finished, pixels):
    made = finished(Clip(pixels=pixels, encoder={"x264-params": "colormatrix=smpte170m:colorprim=smpte170m:transfer=smpte170m"}))
    frame = decoded_frames(made.video)[0]
    assert (frame.colorspace, frame.color_primaries, frame.color_trc) == (6, 6, 6)


@pytest.mark.parametrize(("size", "thumbnail"), [((1920, 1080), (1280, 720)), ((1080, 1920), (720, 1280)), ((1366, 768), (1280, 720))])
def test_a_large_video_has_a_smaller_thumbnail_of_the_same_ratio(finished, size, thumbnail):
    made = finished(Clip(width=size[0], height=size[1], frames=2, encoder={"preset": "ultrafast"}))
    assert (made.facts.width, made.facts.height) == size
    assert (made.picture().width, made.picture().height) == thumbnail


# ---- Bad files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 4096,
        random.Random(1).randbytes(8192),
        b"<html><body>Bad gateway</body></html>",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile 'source.mp4'\n",
    ],
    ids=["nothing", "zeros", "noise", "html", "playlist", "concat list"],
)
def test_what_is_no_mp4_is_refused(tmp_path, monkeypatch, data):
    write(tmp_path / "source.mp4")
    monkeypatch.chdir(tmp_path)  # what a list refers to is there to be found
    assert "video" in refusal(tmp_path, data)


def test_another_container_is_refused(tmp_path):
    data = one_stream_of(write(tmp_path / "source.mp4"), "video", tmp_path / "source.mkv")
    assert "damaged or not a video" in refusal(tmp_path, data)


def test_a_file_with_sound_alone_is_refused(tmp_path):
    data = one_stream_of(write(tmp_path / "source.mp4", Clip(sound="aac")), "audio", tmp_path / "sound.mp4")
    assert refusal(tmp_path, data) == "The file holds no video stream."


def one_stream_of(source: Path, kind: str, path: Path) -> bytes:
    """The packets of one stream in a container of the kind that the path's name says."""
    with av.open(str(source)) as file, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(file.streams.get({kind: 0})[0], opaque=True)
        for packet in file.demux({kind: 0}):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("muxer", "share"),
    [*(({}, share) for share in (0.02, 0.3, 0.6, 0.9)), *(({"movflags": "faststart"}, share) for share in (0.02, 0.3, 0.6, 0.9, 0.999))],
)
def test_a_file_that_was_cut_short_is_refused(tmp_path, muxer, share):
    data = write(tmp_path / "source.mp4", Clip(frames=50, muxer=muxer)).read_bytes()
    assert refusal(tmp_path, data[: int(len(data) * share)])


def test_an_index_without_data_is_refused(tmp_path):
    data = write(tmp_path / "source.mp4", Clip(muxer={"movflags": "faststart"})).read_bytes()
    at = data.index(b"mdat") - 4
    assert refusal(tmp_path, data[:at] + (8).to_bytes(4, "big") + b"mdat") == "The video file is cut short."


@pytest.mark.parametrize("end", [0.0, 0.9])
def test_a_file_whose_data_is_zeros_is_refused(tmp_path, end):
    data = write(tmp_path / "source.mp4", Clip(frames=100, muxer={"movflags": "faststart"})).read_bytes()
    at = data.index(b"mdat") + 4
    kept = at + int((len(data) - at) * end)
    assert refusal(tmp_path, data[:kept] + b"\0" * (len(data) - kept))


def test_absurd_lengths_and_sizes_are_refused(tmp_path):
    def why(clip: Clip) -> str:
        return refusal(tmp_path, write(tmp_path / "source.mp4", clip).read_bytes())

    assert why(Clip(fps=Fraction(1, 2), frames=70)) == "The video lasts 140.0 s, which is not between 0 and 120 s."
    assert why(Clip(width=4098, height=64, frames=2)) == "The video is 4098x64; sides must be between 16 and 4096 pixels."
    assert why(Clip(width=14, height=64, frames=2)) == "The video is 14x64; sides must be between 16 and 4096 pixels."
    many = Clip(width=16, height=16, fps=Fraction(100), frames=10_001, encoder={"preset": "ultrafast"})
    assert why(many) == "The video has more than 10000 frames."


def test_a_damaged_file_is_refused_or_still_a_whole_video(tmp_path):
    """Bytes of the index and of the pictures overwritten at random: no other exception, no half result."""
    chance = random.Random(20261122)
    video, thumbnail = tmp_path / "video.mp4", tmp_path / "thumbnail.jpg"
    clips = [Clip(sound="aac", muxer={"movflags": "faststart"}), Clip(codec="mpeg4", encoder={}, muxer={"movflags": "faststart"})]
    sources = [write(tmp_path / "source.mp4", clip).read_bytes() for clip in clips]
    refused = 0
    for _ in range(200):
        data = bytearray(chance.choice(sources))
        for _ in range(chance.choice((1, 3, 10))):
            at = chance.randrange(min(3000, len(data) - 4))
            data[at : at + 4] = chance.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", chance.randbytes(4)))
        try:
            facts = finish(io.BytesIO(data), video, thumbnail)
        except MediaError:
            refused += 1
            assert not video.exists()
        else:
            assert facts.frames > 0
            assert boxes(video)[:2] == ["ftyp", "moov"]
    assert refused > 50


def test_a_full_disk_is_not_the_files_fault(tmp_path):
    source = write(tmp_path / "source.mp4", Clip(sound="aac"))
    with files_no_larger_than(4096), pytest.raises(OSError):
        finish(source, tmp_path / "video.mp4", tmp_path / "thumbnail.jpg")
    assert not (tmp_path / "video.mp4").exists()


def test_a_missing_folder_is_not_the_files_fault(tmp_path):
    source = write(tmp_path / "source.mp4")
    with pytest.raises(FileNotFoundError):
        finish(source, tmp_path / "nowhere" / "video.mp4", tmp_path / "thumbnail.jpg")
    with pytest.raises(FileNotFoundError):
        finish(source, tmp_path / "video.mp4", tmp_path / "nowhere" / "thumbnail.jpg")
    assert not (tmp_path / "video.mp4").exists()


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """What a full disk feels like to this process."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
