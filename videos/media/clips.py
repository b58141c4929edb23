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
class OpenClip:
    """A sound file. Its size is upright and in square pixels; `shape` is a stored pixel's width by its
    height; `start` and `end` are seconds on the file's own clock; `stored` is how many pictures it shows, `hidden`
    how many more it holds.

    `as_it_came`: every browser plays its pictures as they are, each at its constant time.
    """

    path: Path
    width: int
    height: int
    shape: Fraction
    start: Fraction
    end: Fraction
    stored: int
    hidden: int
    timing: Timing
    as_it_came: bool
    sound: str | None

    def frames_at(self, rate: Fraction) -> int:
        """How many frames the clip gives at that rate."""
        return self.timing.frames if self._has(rate) else max(1, round((self.end - self.start) * rate))

    def pictures(self, rate: Fraction) -> Iterator[av.VideoFrame]:
        """The clip's frames at a constant rate: as they are when it is their own, else the one that is shown at each moment."""
        with reading(self.path) as source:
            frames = self.shown(source)
            yield from frames if self._has(rate) else self._resampled(source, frames, rate)

    def shown(self, source: Source) -> Iterator[av.VideoFrame]:
        """Every picture of the clip, as it is. Raises MediaError at the first that is damaged or missing."""
        count = 0
        for frame in decoded(source):
            count += 1
            yield frame
        if count < self.stored:
            raise MediaError(f"The video has {self.stored} frames that cannot all be decoded.")

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
            pictures=self.stored + self.hidden,
            has_audio=self.sound is not None,
            size_bytes=self.path.stat().st_size,
        )


def open_clip(path: Path) -> OpenClip:
    """What a clip is, by all that its index and its sound say and its first picture shows.

    Raises:
        MediaError: it is not a video that can be delivered. Damaged pictures show when they are read.
        OSError: the disk cannot read it.
    """
    with reading(path) as source:
        found = scan(source)
    with reading(path) as source:
        first = next(decoded(source), None)
        if first is None:
            raise MediaError("The video has no picture that can be decoded.")
        ratio = source.video.sample_aspect_ratio or Fraction(1)
        width, height = square_size(first.width, first.height, ratio, first.rotation)
        check_size(width, height)
        rhythm = timing(found.times, found.end, found.unit)
        return OpenClip(
            path=path,
            width=width,
            height=height,
            shape=ratio,
            start=found.times[0] * found.unit,
            end=found.end * found.unit,
            stored=len(found.times),
            hidden=found.hidden,
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


def last_picture(clip: OpenClip) -> av.VideoFrame:
    """The last picture that the clip shows; every one before it is decoded too.

    Raises:
        MediaError: some of it is damaged.
        OSError: the disk cannot read it.
    """
    with reading(clip.path) as source:
        for last in clip.shown(source):  # noqa: B007 - the last one is the answer
            pass
        return last
