"""The same clips give the same bytes, whoever else is at work on the machine and whatever its memory held before."""

import random
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.support.real_clips import Clip
from videos.media.assembling import assemble, probe
from videos.media.facts import Target
from videos.media.sheets import draw_spritesheet


def noise(path: Path, width: int, height: int, frames: int) -> Path:
    """Pictures that no encoder foresees."""
    numbers = random.Random(7)
    with av.open(str(path), "w", format="mp4") as target:
        options = {"preset": "ultrafast", "crf": "10"}
        out = target.add_stream("libx264", rate=25, width=width, height=height, pix_fmt="yuv420p", options=options)
        for number in range(frames):
            frame = av.VideoFrame(width, height, "yuv420p")
            for plane in frame.planes:
                plane.update(numbers.randbytes(plane.buffer_size))
            frame.pts, frame.time_base = number, Fraction(1, 25)
            target.mux(out.encode(frame))
        target.mux(out.encode(None))
    return path


@pytest.mark.parametrize("wish", [(128, 72, 1), (72, 128, 1)])
def test_the_same_clips_give_the_same_bytes(made, wish):
    first = made(Clip(sound="aac"), wish=wish)
    before = first.video.read_bytes(), first.thumbnail.read_bytes()
    made(first.clips[0], wish=wish)
    assert (first.video.read_bytes(), first.thumbnail.read_bytes()) == before


# Rows of 5 and of 23 macroblocks; the larger one's noise is more than the limit of the rate lets through.
@pytest.mark.parametrize(("width", "height", "times"), [(72, 128, 10), (360, 640, 2)])
def test_noise_gives_the_same_bytes_however_often_it_is_encoded(tmp_path, width, height, times):
    clip = noise(tmp_path / "noise.mp4", width, height, frames=25)
    videos = set()
    for _ in range(times):
        assemble([clip], Target(width + 8, height, 1), tmp_path / "video.mp4", tmp_path / "thumbnail.jpg", on_progress=lambda share: None)
        videos.add((tmp_path / "video.mp4").read_bytes())
    assert len(videos) == 1


def test_the_same_clip_gives_the_same_last_frame_and_the_same_sheet(tmp_path):
    clip = noise(tmp_path / "noise.mp4", 72, 128, frames=25)
    given = set()
    for _ in range(3):
        facts = probe(clip, last_frame=tmp_path / "last.png"), draw_spritesheet(clip, sheet=tmp_path / "sheet.jpg")
        given.add((facts, (tmp_path / "last.png").read_bytes(), (tmp_path / "sheet.jpg").read_bytes()))
    assert len(given) == 1
