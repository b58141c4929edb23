"""A broken or hostile file is refused with a plain error: nothing half is left, nothing hangs, and the disk is not mistaken for it."""

import random
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.support.real_clips import Clip, boxes, write
from videos.media.assembling import assemble, probe
from videos.media.errors import MediaError
from videos.media.facts import Target

WISH = Target(128, 72, 1)


def finish(source: Path, video: Path, thumbnail: Path):
    return assemble([source], WISH, video, thumbnail, on_progress=lambda share: None)


def refusal(tmp_path: Path, data: bytes) -> str:
    """Why a file is refused; nothing of it may be left behind."""
    (source := tmp_path / "bad.mp4").write_bytes(data)
    video, thumbnail, picture = tmp_path / "video.mp4", tmp_path / "thumbnail.jpg", tmp_path / "last.png"
    with pytest.raises(MediaError) as inspected:
        probe(source, last_frame=picture)
    with pytest.raises(MediaError) as caught:
        finish(source, video, thumbnail)
    assert str(inspected.value) == str(caught.value)
    assert not any(path.exists() for path in (video, thumbnail, picture))
    return str(caught.value)


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


def test_a_file_whose_sound_was_cut_short_is_refused(tmp_path):
    clip = Clip(sound="aac", sound_seconds=Fraction(3), muxer={"movflags": "faststart"})
    source = write(tmp_path / "source.mp4", clip)
    with av.open(str(source)) as file:
        end = [packet.pos for packet in file.demux(audio=0) if packet.pos is not None][-20]
    assert refusal(tmp_path, source.read_bytes()[:end]) == "The video file is cut short."


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
    video, thumbnail, damaged = tmp_path / "video.mp4", tmp_path / "thumbnail.jpg", tmp_path / "damaged.mp4"
    clips = [Clip(sound="aac", muxer={"movflags": "faststart"}), Clip(codec="mpeg4", encoder={}, muxer={"movflags": "faststart"})]
    sources = [write(tmp_path / "source.mp4", clip).read_bytes() for clip in clips]
    refused = 0
    for _ in range(200):
        data = bytearray(chance.choice(sources))
        for _ in range(chance.choice((1, 3, 10))):
            at = chance.randrange(min(3000, len(data) - 4))
            data[at : at + 4] = chance.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", chance.randbytes(4)))
        damaged.write_bytes(data)
        try:
            facts = finish(damaged, video, thumbnail)
        except MediaError:
            refused += 1
            assert not video.exists()
        else:
            assert (facts.width, facts.height) == (128, 72)
            assert boxes(video)[:2] == ["ftyp", "moov"]
    assert refused > 50


def test_a_picture_that_is_damaged_in_the_middle_is_refused(tmp_path):
    data = bytearray(write(tmp_path / "source.mp4", Clip(frames=50, muxer={"movflags": "faststart"})).read_bytes())
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    data[middle : middle + 200] = bytes(200)
    assert refusal(tmp_path, bytes(data))


def test_sound_that_cannot_be_is_refused(tmp_path):
    data = bytearray(write(tmp_path / "source.mp4", Clip(sound="pcm_s16be", muxer={"movflags": "faststart"})).read_bytes())
    rate = data.index(b"ipcm") + 28  # 16.16 fixed point, in the sample entry
    assert int.from_bytes(data[rate : rate + 2], "big") == 44_100
    data[rate : rate + 2] = (3).to_bytes(2, "big")
    assert "samples a second" in refusal(tmp_path, bytes(data))


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
    with pytest.raises(FileNotFoundError):
        probe(source, last_frame=tmp_path / "nowhere" / "last.png")
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
