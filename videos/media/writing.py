"""Tracks on their way into a file that every browser plays from its first byte."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from heapq import merge
from pathlib import Path

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from videos.media.framing import BT709, LIMITED
from videos.media.reading import Source, reading
from videos.media.sound import RATE

# The same pictures give the same bytes, so one thread encodes, while others decode and scale what comes next. x264's two ways of
# sharing frames out among threads (slices, whole frames) bend a frame's quality under a limit of the rate by how far the other
# thread has come at that moment: of 30 renderings of the same second of noise 27 differed. One thread takes 4 % less of
# processors; a minute of 1080x1920 takes two idle ones 20 s instead of 18, and 12 s of the noisiest pictures 15.6 s instead of 12.4.
_THREADS = 1
# Beyond what an eye tells from the source, up to what decoders of 1080p (H.264 level 4) are promised. The preset keeps
# the noisiest pictures cheap; with the next slower one's look ahead, without which its files are twice as large, it takes
# 0.6 of that one's processor time for files 5 % larger, at half a decibel (PSNR) less where the limit of the rate is met.
_AHEAD = "mbtree=1:rc-lookahead=10"


def _instructions(processor: Path = Path("/proc/cpuinfo")) -> str:
    """Keep x264 (core 165) from AVX-512: where a row is not a multiple of 8 macroblocks (720 and 1080 pixels
    are not), its macroblock tree counts up to 7 more, of whatever its memory held before. AVX2's takes as long.

    Only Linux says what the processor has, and AVX2 must not be asked for where it is missing.
    """
    try:
        return ":asm=AVX2" if "avx512" in processor.read_text() else ""
    except OSError:
        return ""


_QUALITY = {
    "crf": "18", "preset": "superfast", "profile": "high", "maxrate": "20M", "bufsize": "20M", "x264-params": _AHEAD + _instructions(),
}  # fmt: skip
_SOUND_BITS = 192_000
# A decoder may start before what is heard: encoders put up to 2,112 samples in front of the first real one.
_PRIMING_SECONDS = Fraction(1, 10)


@contextmanager
def leaving_nothing_half(*paths: Path) -> Iterator[None]:
    """Removes the files when what is done under it fails."""
    try:
        yield
    except BaseException:
        for path in paths:
            path.unlink(missing_ok=True)
        raise


@contextmanager
def writing(path: Path) -> Iterator[OutputContainer]:
    # The index in front, so that players need no second request; nothing but streams goes in, so no metadata does.
    with av.open(str(path.absolute()), "w", format="mp4", container_options={"movflags": "faststart", "fflags": "bitexact"}) as target:
        yield target


def mux(target: OutputContainer, tracks: Iterable[Iterator[Packet]]) -> None:
    """Write the tracks' packets, each as it comes due: none is read far ahead of the others."""
    for packet in merge(*tracks, key=lambda packet: (packet.dts or 0) * packet.time_base):
        target.mux(packet)


def encoded_pictures(target: OutputContainer, frames: Iterator[av.VideoFrame], width: int, height: int, rate: Fraction) -> Iterator[Packet]:
    """Limited-range BT.709 frames as H.264, `rate` a second from 0 on."""
    out = target.add_stream("libx264", rate=rate, options=_QUALITY, width=width, height=height, pix_fmt="yuv420p")
    encoder = out.codec_context
    # The file's clock ticks so that every frame lasts a whole number of ticks: the rate is constant to the last bit.
    out.time_base, encoder.time_base = Fraction(1, rate.numerator), 1 / rate
    encoder.thread_count = _THREADS
    encoder.gop_size = round(2 * rate)  # players seek to every second second
    encoder.sample_aspect_ratio = Fraction(1)
    encoder.colorspace = encoder.color_primaries = encoder.color_trc = BT709
    encoder.color_range = LIMITED

    def packets() -> Iterator[Packet]:
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base = number, 1 / rate
            frame.pict_type = 0  # the encoder decides, not the source
            yield from out.encode(frame)
        yield from out.encode(None)

    return packets()


def encoded_sound(target: OutputContainer, frames: Iterator[av.AudioFrame]) -> Iterator[Packet]:
    """Sound as AAC."""
    out = target.add_stream("aac", rate=RATE, layout="stereo", options={"flags": "bitexact"})
    out.codec_context.bit_rate = _SOUND_BITS

    def packets() -> Iterator[Packet]:
        for frame in frames:
            yield from out.encode(frame)
        yield from out.encode(None)

    return packets()


def copied_pictures(target: OutputContainer, source: Source, path: Path, start: Fraction) -> Iterator[Packet]:
    """The packets of the pictures as they are; the moment `start` becomes 0."""
    return _copied(target, source.video, path, start, None)


def copied_sound(target: OutputContainer, source: Source, path: Path, start: Fraction, length: Fraction) -> Iterator[Packet]:
    """The packets of the sound as they are, of `length` seconds from `start` on, which becomes 0."""
    assert source.audio is not None  # noqa: S101 - said by the caller
    return _copied(target, source.audio, path, start, length)


def _copied(target: OutputContainer, template: Stream, path: Path, start: Fraction, length: Fraction | None) -> Iterator[Packet]:
    out = target.add_stream_from_template(template, opaque=True)
    out.time_base = template.time_base
    unit = template.time_base or Fraction(1)
    begin = round(start / unit)

    def packets() -> Iterator[Packet]:
        # Each track is read by a reader of its own: however a file is interleaved, nothing has to be held for the other.
        with reading(path) as source:
            for packet in source.packets(source.container.streams[template.index]):  # type: ignore[arg-type]
                packet.pts, packet.dts = (packet.pts or 0) - begin, (packet.dts or 0) - begin
                if length is not None:
                    if packet.pts * unit < -_PRIMING_SECONDS:
                        continue
                    if packet.pts * unit >= length:
                        return
                    packet.duration = min(packet.duration or 0, round(length / unit) - packet.pts)
                packet.stream = out
                yield packet

    return packets()
