"""A clip that was read from its first to its last frame, and its pictures at a constant rate."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from videos.media.errors import MediaError
from videos.media.facts import ClipFacts
from videos.media.framing import square_size
from videos.media.reading import Source, check_size, decoded, reading, scan
from videos.media.sound import check_sound
from videos.media.timing import Timing, timing

# What every browser plays: 8-bit 4:2:0 in one of these profiles (RFC 6381's avc1.42, 4D and 64).
_BROWSER_PROFILES = frozenset({"Baseline", "Constrained Baseline", "Main", "High"})


@dataclass(frozen=True, slots=True)
class Clip:
    """A sound file. Its size is upright and in square pixels; `shape` is a stored pixel's width by its
    height; `start` and `end` are seconds on the file's own clock.

    `as_it_came`: every browser plays its pictures as they are, each at its constant time.
    """

    path: Path
    width: int
    height: int
    shape: Fraction
    start: Fraction
    end: Fraction
    timing: Timing
    as_it_came: bool
    sound: str | None

    def frames_at(self, rate: Fraction) -> int:
        """How many frames the clip gives at that rate."""
        return self.timing.frames if self._has(rate) else max(1, round((self.end - self.start) * rate))

    def pictures(self, rate: Fraction) -> Iterator[av.VideoFrame]:
        """The clip's frames at a constant rate: as they are when it is their own, else the one that is shown at each moment."""
        with reading(self.path) as source:
            frames = decoded(source)
            yield from frames if self._has(rate) else self._resampled(source, frames, rate)

    def _has(self, rate: Fraction) -> bool:
        return self.timing.constant and rate == self.timing.rate

    def _resampled(self, source: Source, frames: Iterator[av.VideoFrame], rate: Fraction) -> Iterator[av.VideoFrame]:
        unit, shown, given = source.video.time_base or Fraction(0), next(frames), 0
        for frame in frames:
            # A frame that comes in the second half of a moment waits for the next one.
            while (given + Fraction(1, 2)) / rate < (frame.pts or 0) * unit - self.start:
                yield shown
                given += 1
            shown = frame
        for _ in range(given, self.frames_at(rate)):
            yield shown

    @property
    def facts(self) -> ClipFacts:
        return ClipFacts(
            width=self.width,
            height=self.height,
            fps=round(float(self.timing.rate), 3),
            frames=self.timing.frames,
            seconds=round(float(self.timing.frames / self.timing.rate), 3),
            has_audio=self.sound is not None,
            size_bytes=self.path.stat().st_size,
        )


def survey(path: Path) -> tuple[Clip, av.VideoFrame]:
    """Read and decode the whole file: what it is, and the last picture that it shows.

    Raises:
        MediaError: some of it is damaged, or it is not a video that can be delivered.
        OSError: the disk cannot read it.
    """
    with reading(path) as source:
        found = scan(source)
    with reading(path) as source:
        frames = decoded(source)
        first = last = next(frames, None)
        shown = 1
        for shown, last in enumerate(frames, 2):  # noqa: B007 - how many and the last one are the answer
            pass
        if first is None or last is None or shown < len(found.times):
            raise MediaError(f"The video has {len(found.times)} frames that cannot all be decoded.")
        ratio = source.video.sample_aspect_ratio or Fraction(1)
        width, height = square_size(first.width, first.height, ratio, first.rotation)
        check_size(width, height)
        rhythm = timing(found.times, found.end, found.unit)
        clip = Clip(
            path=path,
            width=width,
            height=height,
            shape=ratio,
            start=found.times[0] * found.unit,
            end=found.end * found.unit,
            timing=rhythm,
            as_it_came=(
                source.video.codec_context.name == "h264"
                and source.video.codec_context.profile in _BROWSER_PROFILES
                and first.format.name == "yuv420p"
                and (source.video.codec_context.sample_aspect_ratio or 1) == ratio == 1
                and rhythm.exact
                and found.in_order
                and not (first.rotation or found.hidden)
            ),
            sound=check_sound(path) if source.audio else None,
        )
        return clip, last
