"""Clips on disk, and what `assemble` makes of them."""

import functools
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from tempfile import mkdtemp

import av

from tests.support.frame_numbers import read
from tests.support.real_clips import Clip, decoded_frames, write
from videos.media.assembling import assemble
from videos.media.facts import Target, VideoFacts

# A tenth of the real sizes, even where they are: what video-01 and minimax-h3 make.
LANDSCAPE_01 = Clip(width=128, height=72, fps=Fraction(25), frames=150, encoder={"preset": "veryfast"})
LANDSCAPE_H3 = Clip(width=134, height=76, fps=Fraction(24), frames=107, encoder={"preset": "veryfast"}, sound="aac")
PORTRAIT_H3 = replace(LANDSCAPE_H3, width=76, height=134)


class Made:
    """The video that came of clips, and its thumbnail."""

    def __init__(self, folder: Path, clips: Sequence[Path], wish: Target) -> None:
        self.clips, self.video, self.thumbnail, self.told = clips, folder / "video.mp4", folder / "thumbnail.jpg", list[float]()
        self.facts: VideoFacts = assemble(clips, wish, self.video, self.thumbnail, on_progress=self.told.append)

    def pictures(self) -> list[av.VideoFrame]:
        return decoded_frames(self.video)

    def numbers(self, source: Clip) -> list[int | None]:
        """What is read in each frame, of clips of this size."""
        return [read(frame, (source.width, source.height)) for frame in self.pictures()]

    def picture(self) -> av.VideoFrame:
        with av.open(str(self.thumbnail)) as source:
            return next(source.decode(video=0))


@functools.cache
def chain_of(folder: Path, clip: Clip, frames: tuple[int, ...]) -> list[Path]:
    """As `chain`, drawn once for all tests that want it."""
    return chain(Path(mkdtemp(dir=folder)), clip, frames)


def chain(folder: Path, clip: Clip, frames: Sequence[int]) -> list[Path]:
    """Clips of so many frames, each beginning with the number that the one before it ended with."""
    paths, number = [], 0
    for index, count in enumerate(frames):
        paths.append(write(folder / f"clip{index}.mp4", replace(clip, frames=count, number=number)))
        number += count - 1
    return paths
