"""Small real video files of every kind, made with PyAV: what MiniMax could send, and ways to look at what came of it."""

import functools
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream

from tests.support.frame_numbers import draw

SAMPLE_RATE = 44_100
TICKS = 30_000  # a second in time stamps: whole at 24, 25, 30 and 29.97 frames a second


@dataclass(frozen=True, kw_only=True)
class Clip:
    """What a file shall hold. `times` are seconds of presentation, one for each frame, for a rate that varies."""

    width: int = 128
    height: int = 72
    fps: Fraction = Fraction(25)
    frames: int = 25
    codec: str = "libx264"
    pixels: str = "yuv420p"
    encoder: Mapping[str, str] = field(hash=False, default_factory=lambda: {"bf": "2", "g": "12"})
    sound: str | None = None
    sound_seconds: Fraction | None = None  # as long as the picture when None
    sound_start: Fraction | None = None  # with the picture when None
    start: Fraction = Fraction(0)
    times: Sequence[Fraction] | None = None
    shape: Fraction = Fraction(1)  # a pixel's width by its height
    number: int | None = None  # drawn into the first frame, rising by one
    wave: Callable[[int], int] = lambda sample: sample % 100 * 50  # 16 bits, of both ears
    rotation: int = 0  # degrees that a player turns the picture by, counterclockwise
    metadata: dict[str, str] = field(hash=False, default_factory=dict)
    muxer: dict[str, str] = field(hash=False, default_factory=dict)
    luma: Callable[[int], int] = lambda index: 60 + index * 5 % 120

    @property
    def seconds(self) -> Fraction:
        return self.frames / self.fps


def write(path: Path, clip: Clip | None = None) -> Path:
    """The clip as an MP4 file, its index at the end. The left half of each picture is the darker one, so that a turn shows."""
    clip = clip or Clip()
    with av.open(str(path), "w", format="mp4", container_options=clip.muxer) as target:
        target.metadata.update(clip.metadata)
        size: dict[str, Any] = {"width": clip.width, "height": clip.height, "pix_fmt": clip.pixels}
        video: Any = target.add_stream(clip.codec, rate=clip.fps, options=dict(clip.encoder), **size)
        video.time_base = video.codec_context.time_base = Fraction(1, TICKS)
        video.codec_context.thread_count = 1
        video.codec_context.sample_aspect_ratio = clip.shape
        if clip.rotation:
            video.set_display_rotation(clip.rotation)
        # The coder that MiniMax's files may well be made with takes four times as long for what nobody listens to.
        coder = {"aac_coder": "fast"} if clip.sound == "aac" else {}
        audio = target.add_stream(clip.sound, rate=SAMPLE_RATE, options=coder) if clip.sound else None
        for frame in _pictures(clip):
            target.mux(video.encode(frame))
        target.mux(video.encode(None))
        if isinstance(audio, AudioStream):
            for sound in _sounds(clip, audio):
                target.mux(audio.encode(sound))
            target.mux(audio.encode(None))
    return path


def decoded_frames(path: Path) -> list[av.VideoFrame]:
    """Every frame that a player would show."""
    with av.open(str(path)) as source:
        return list(source.decode(video=0))


def samples(path: Path, *, rate: int = 48_000) -> "array[float]":
    """The left ear's sound as a player plays it from its first moment on, from -1 to 1."""
    heard = array("f")
    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=rate)
    with av.open(str(path)) as source:
        for given in (*source.decode(audio=0), None):
            for frame in resampler.resample(given):
                heard.frombytes(bytes(frame.planes[0])[: 4 * frame.samples])
    return heard


def boxes(path: Path) -> list[str]:
    """The names of the file's top-level boxes, in order."""
    data, at, names = path.read_bytes(), 0, []
    while at < len(data):
        names.append(data[at + 4 : at + 8].decode("latin-1"))
        at += int.from_bytes(data[at : at + 4], "big")
    return names


def mean(frame: av.VideoFrame, plane: int = 0, *, columns: slice = slice(None), rows: slice = slice(None)) -> float:
    """The mean value of one plane, or of some of its rows and columns."""
    source = frame.planes[plane]
    data = bytes(source)
    values = [data[row * source.line_size :][: source.width][columns] for row in range(source.height)[rows]]
    return sum(map(sum, values)) / sum(map(len, values))


def _pictures(clip: Clip) -> Iterator[av.VideoFrame]:
    for index in range(clip.frames):
        frame = av.VideoFrame(clip.width, clip.height, "yuv420p")
        luma = clip.luma(index)
        for plane, (left, right) in zip(frame.planes, ((luma // 2, luma), (100, 100), (150, 150)), strict=True):
            half = plane.width // 2
            plane.update((bytes([left]) * half + bytes([right]) * (plane.line_size - half)) * plane.height)
        if clip.number is not None:
            draw(frame, clip.number + index)
        frame = frame.reformat(format=clip.pixels)
        seconds = clip.times[index] if clip.times else index / clip.fps
        frame.time_base = Fraction(1, TICKS)
        frame.pts = round((seconds + clip.start) * TICKS)
        yield frame


def _sounds(clip: Clip, audio: AudioStream) -> Iterator[av.AudioFrame]:
    start = clip.start if clip.sound_start is None else clip.sound_start
    samples = round((clip.sound_seconds or clip.seconds) * SAMPLE_RATE)
    resampler = av.AudioResampler(format=audio.codec_context.format.name, layout="stereo", rate=SAMPLE_RATE)
    for at in range(0, samples, 1024):
        count = min(1024, samples - at)
        frame = av.AudioFrame("s16", "stereo", count)
        frame.planes[0].update(_in_both_ears(clip.wave, at, count))
        frame.sample_rate = SAMPLE_RATE
        frame.time_base = Fraction(1, SAMPLE_RATE)
        frame.pts = at + round(start * SAMPLE_RATE)
        yield from resampler.resample(frame)


@functools.lru_cache(maxsize=8192)
def _in_both_ears(wave: Callable[[int], int], at: int, count: int) -> bytes:
    """Most clips sound alike: computed once."""
    both = array("h", bytes(4 * count))
    both[::2] = both[1::2] = array("h", map(wave, range(at, at + count)))
    return both.tobytes()
