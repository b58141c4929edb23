"""The sound of the clips, cut and joined to the sample: 48 kHz stereo, as every browser plays it."""

from array import array
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av

from videos.media.errors import MediaError
from videos.media.framing import graph
from videos.media.reading import reading

RATE = 48_000
# One moment of both ears, in 32-bit floats.
_SAMPLE = 8
_SILENCE = bytes(_SAMPLE * RATE)

# A join is faded over 5 ms: far too short to be heard as a fade, long enough to be no click.
FADE = RATE // 200
# Time stamps in milliseconds wander; a gap of more than 10 ms is meant.
_TOLERANCE = RATE // 100
# Rates outside of these are no sound, and would make much out of little.
_SLOWEST, _FASTEST = 8_000, 192_000


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a clip's sound: `count` samples from the sample `first`, counted from the moment of its first picture.

    `path` is None where there is no sound: it is silent then. `start` is that moment in seconds on the file's own clock.
    """

    path: Path | None
    start: Fraction
    first: int
    count: int


def check_sound(path: Path) -> str | None:
    """The codec of the first sound track; None when it holds nothing. Raises MediaError when some of it is missing or damaged."""
    with reading(path) as source:
        if source.audio is None:
            return None
        if not _SLOWEST <= (source.audio.codec_context.sample_rate or 0) <= _FASTEST:
            raise MediaError(f"The video's sound has {source.audio.codec_context.sample_rate} samples a second.")
        packets = heard = 0
        for packet in source.container.demux(source.audio):
            packets += packet.dts is not None  # the one without empties the decoder
            heard += sum(frame.samples for frame in packet.decode())
        # As with the pictures: where the file ends early, the reader just stops.
        if packets < len(source.audio.index_entries):
            raise MediaError("The video file is cut short.")
        return source.audio.codec_context.name if heard else None


def frames(parts: Sequence[Part], speed: Fraction, count: int) -> Generator[av.AudioFrame, None, None]:
    """The parts one after the other, `count` samples in all, slowed down without a change of pitch when `speed` is below 1."""
    sound = _joined(parts)
    return _framed(_ended(_exactly(_slowed(sound, speed) if speed < 1 else sound, count)))


def _joined(parts: Sequence[Part]) -> Iterator[bytes]:
    """Each part's last moment goes over into what the next clip has of the same moment: its doubled frame's sound."""
    end = b""
    for number, part in enumerate(parts, 1):
        lead = len(end) // _SAMPLE
        sound = _faded(end, _heard(replace(part, first=part.first - lead, count=part.count + lead)))
        if number < len(parts):
            end = yield from _all_but_the_end(sound, FADE * _SAMPLE)
        else:
            yield from sound


def _heard(part: Part) -> Iterator[bytes]:
    """Exactly `count` samples, silent where the clip has none."""
    at, end = part.first, part.first + part.count
    for position, data in _decoded(part) if part.path else ():
        if position > at:
            yield from _silence(min(position, end) - at)
            at = min(position, end)
        piece = data[(at - position) * _SAMPLE :][: (end - at) * _SAMPLE]
        if piece:
            yield piece
            at += len(piece) // _SAMPLE
        if at >= end:
            return
    yield from _silence(end - at)


def _decoded(part: Part) -> Iterator[tuple[int, bytes]]:
    """Blocks of samples, and where each begins."""
    assert part.path is not None  # noqa: S101 - said by the caller
    with reading(part.path) as source:
        resampler = av.AudioResampler(format="flt", layout="stereo", rate=RATE)
        expected: int | None = None
        for frame in chain(source.container.decode(source.audio), (None,)) if source.audio else ():
            for even in resampler.resample(frame):
                says = expected if even.pts is None else round((even.pts * (even.time_base or Fraction(1, RATE)) - part.start) * RATE)
                if says is None:
                    says = 0
                expected = says if expected is None or abs(says - expected) > _TOLERANCE else expected
                yield expected, bytes(even.planes[0])[: even.samples * _SAMPLE]
                expected += even.samples


def _faded(end: bytes, sound: Iterator[bytes]) -> Iterator[bytes]:
    """`sound` whose beginning comes out of `end`."""
    begin = b""
    while len(begin) < len(end) and (block := next(sound, b"")):
        begin += block
    falling, rising = array("f", end), array("f", begin[: len(end)])
    steps = max(1, len(falling) - 1)
    yield array("f", (a + (b - a) * index / steps for index, (a, b) in enumerate(zip(falling, rising, strict=True)))).tobytes()
    yield begin[len(end) :]
    yield from sound


def _all_but_the_end(sound: Iterator[bytes], size: int) -> Generator[bytes, None, bytes]:
    """Hold the last `size` bytes back, and return them."""
    held = b""
    for block in sound:
        held += block
        if len(held) > size:
            yield held[:-size]
            held = held[-size:]
    return held


def _ended(sound: Iterator[bytes]) -> Iterator[bytes]:
    """The end fades into silence: what is cut off in the middle of a tone clicks too."""
    end = yield from _all_but_the_end(sound, FADE * _SAMPLE)
    yield from _faded(end, iter([bytes(len(end))]))


def _slowed(sound: Iterator[bytes], speed: Fraction) -> Iterator[bytes]:
    tempo = graph(
        f"abuffer=time_base=1/{RATE}:sample_rate={RATE}:sample_fmt=flt:channel_layout=stereo",
        f"atempo={float(speed):.9f}",
        "aformat=sample_fmts=flt",
        "abuffersink",
    )
    for frame in chain(_framed(sound), (None,)):
        tempo.push(frame)
        while True:
            try:
                slow = tempo.pull()
            except (av.BlockingIOError, av.EOFError):
                break
            yield bytes(slow.planes[0])[: slow.samples * _SAMPLE]  # type: ignore[union-attr]


def _exactly(sound: Iterator[bytes], count: int) -> Iterator[bytes]:
    left = count * _SAMPLE
    for block in sound:
        yield block[:left]
        left -= len(block[:left])
    yield from _silence(left // _SAMPLE)


def _silence(count: int) -> Iterator[bytes]:
    while count > 0:
        yield _SILENCE[: count * _SAMPLE]
        count -= RATE


def _framed(sound: Iterator[bytes]) -> Generator[av.AudioFrame, None, None]:
    """Blocks of at most a second as frames that follow each other."""
    at = 0
    for block in sound:
        if not block:
            continue
        frame = av.AudioFrame("flt", "stereo", len(block) // _SAMPLE)
        frame.planes[0].update(block)
        frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), at
        at += frame.samples
        yield frame
