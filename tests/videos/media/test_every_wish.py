"""Every size and length that can be asked for, of clips as the models make them, at a tenth of the size.

`make test` has a length in one size: cutting and scaling know nothing of each other. Of video-01 it has all that one clip holds, two
clips and three, and the longest. Of minimax-h3, whose sound takes most of the time, it has lengths that are cut and that are not, what
takes one clip more, and each size. `make soak` has all.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest

from tests.support.frame_numbers import read, rise_by_one
from tests.support.real_clips import Clip, boxes, write
from tests.videos.media.making import LANDSCAPE_01, LANDSCAPE_H3, PORTRAIT_H3, Made, chain_of
from videos.media.facts import Target

SIZES = [(72, 48), (128, 72), (192, 108), (72, 128), (108, 192)]
LENGTHS = [1, 2, 3, 5, 6, 7, 10, 12, 15, 17, 30, 60]
# What each model makes for a length: so many frames in each clip. video-01's are a few off, as the real ones are.
OF_01 = {seconds: [150 + (seconds + index) % 7 - 3 for index in range(-(-seconds // 6))] for seconds in LENGTHS}
OF_H3 = {1: [107], 2: [107], 3: [107], 5: [124], 6: [158], 7: [175], 10: [243], 12: [294], 15: [362]}
OF_H3 |= {17: [243, 192], 30: [362, 379], 60: [362] * 4}


def every_wish(at_once: Collection[int]) -> Iterator[object]:
    """Those `at_once` are for `make test`, in one size each."""
    for place, seconds in enumerate(LENGTHS):
        for turn, (width, height) in enumerate(SIZES):
            in_soak = () if seconds in at_once and (turn - place) % len(SIZES) == 0 else pytest.mark.soak
            yield pytest.param((width, height), seconds, marks=in_soak, id=f"{width}x{height}-{seconds}")


def wishes(at_once: Collection[int]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("size", "seconds"), list(every_wish(at_once)))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where clips are that several tests use."""
    return tmp_path_factory.mktemp("drawn")


def check(made: Made, clip: Clip, size: tuple[int, int], seconds: int) -> None:
    facts = made.facts
    assert (facts.width, facts.height) == size
    assert abs(facts.duration_seconds - seconds) <= 1 / facts.fps + 0.001
    assert 0.94 <= facts.speed <= 1
    assert facts.fps == pytest.approx(float(clip.fps) * facts.speed, rel=0.001)
    assert boxes(made.video).index("moov") < boxes(made.video).index("mdat")
    with av.open(str(made.video)) as file:
        video = file.streams.video[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt, video.codec_context.profile) == ("h264", "yuv420p", "High")
        assert (video.width, video.height, video.sample_aspect_ratio or 1) == (*size, 1)
        assert abs(float(file.duration / av.time_base) - seconds) <= 1 / facts.fps + 0.001
    pictures = made.pictures()
    times = [frame.pts or 0 for frame in pictures]
    assert times[0] == 0
    assert len({after - before for before, after in pairwise(times)}) == 1  # constant to the tick
    numbers = [read(frame, (clip.width, clip.height)) for frame in pictures]
    assert numbers[0] == 0
    assert rise_by_one(numbers)
    assert len(numbers) == facts.frames
    assert made.picture().width * size[1] == pytest.approx(made.picture().height * size[0])


@wishes([1, 2, 3, 5, 6, 7, 12, 17, 60])
def test_video_01_is_delivered_in_every_size_and_length(tmp_path: Path, drawn: Path, size: tuple[int, int], seconds: int):
    check(Made(tmp_path, chain_of(drawn, LANDSCAPE_01, tuple(OF_01[seconds])), Target(*size, seconds)), LANDSCAPE_01, size, seconds)


@wishes([1, 2, 3, 5, 6, 17])
def test_minimax_h3_is_delivered_in_every_size_and_length_with_its_sound(tmp_path: Path, drawn: Path, size: tuple[int, int], seconds: int):
    clip = PORTRAIT_H3 if size[0] < size[1] else LANDSCAPE_H3
    made = Made(tmp_path, chain_of(drawn, clip, tuple(OF_H3[seconds])), Target(*size, seconds))
    check(made, clip, size, seconds)
    assert made.facts.has_audio
    with av.open(str(made.video)) as file:
        sound = file.streams.audio[0]
        assert float((sound.duration or 0) * (sound.time_base or 0)) == pytest.approx(seconds, abs=0.05)


def test_clips_of_slightly_different_sizes_are_brought_to_one(tmp_path: Path):
    """Hailuo's 768P is sometimes 1366 and sometimes 1364 pixels wide."""
    wide = replace(LANDSCAPE_01, width=1366, height=768, fps=Fraction(24))
    clips = [write(tmp_path / "wide.mp4", replace(wide, frames=12, number=0))]
    clips.append(write(tmp_path / "narrow.mp4", replace(wide, width=1364, frames=13, number=11)))
    made = Made(tmp_path, clips, Target(1280, 720, 1))
    assert (made.facts.width, made.facts.height, made.facts.frames) == (1280, 720, 24)
    assert rise_by_one(made.numbers(wide))
