"""What becomes of a finished clip: an MP4 that every browser plays from its first byte, a thumbnail, and the true numbers.

The file comes from somebody else's server and is trusted with nothing: only the MP4 reader is allowed, no protocol can
be reached from inside the file, and what the file says about itself is checked by reading and decoding it.
"""

import errno
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import av.filter
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from videos.thumbnails import first_bright, jpeg

# Longest and largest that any model makes is 60 s (a chain of clips) of 2560x1440: twice that is somebody's mistake.
LONGEST_SECONDS = 120
MOST_FRAMES = 10_000
SMALLEST_SIDE, LARGEST_SIDE = 16, 4096

# 8-bit 4:2:0, in both ranges: the only kinds of H.264 that every browser decodes.
BROWSER_PIXELS = frozenset({"yuv420p", "yuvj420p"})

# Media work shares its machine with what answers requests.
THREADS = 1
# A decoder may start before what is heard: encoders put up to 2,112 samples in front of the first real one.
_PRIMING_SECONDS = Fraction(1, 10)
# A display matrix turns counterclockwise; these bake it into the picture.
_UPRIGHT = {90: ("transpose=cclock",), -90: ("transpose=clock",), 180: ("hflip", "vflip"), -180: ("hflip", "vflip")}

# The disk's errors, told by number: FFmpeg reports some broken files as "operation not permitted", an OSError too.
_DISK_TROUBLE = frozenset(
    {errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOENT, errno.ENOSPC, errno.EROFS}
)


class MediaError(Exception):
    """The file is broken, or not a video that can be delivered. The message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What a finished file really is. Sizes in pixels and bytes; `fps` is frames divided by seconds, to three decimals."""

    width: int
    height: int
    fps: float
    duration_seconds: float
    frames: int
    has_audio: bool
    size_bytes: int
    thumbnail_bytes: int


@dataclass(frozen=True, slots=True)
class _Survey:
    """What reading every packet and decoding both ends of a file showed. Times are in units of `unit` seconds."""

    width: int
    height: int
    frames: int
    start: int
    last: int
    end: int
    unit: Fraction
    rotation: int
    plays_everywhere: bool
    has_audio: bool

    @property
    def seconds(self) -> Fraction:
        return (self.end - self.start) * self.unit

    @property
    def fps(self) -> Fraction:
        return self.frames / self.seconds


def finish(source: BinaryIO | Path, video_path: Path, thumbnail_path: Path) -> VideoFacts:
    """Make the file that is delivered, and its thumbnail, out of a clip (a path, or an open file that can seek).

    The picture is copied as it is when every browser plays it, and encoded anew otherwise. Memory does not grow with the
    file. Raises MediaError for a bad file and OSError when the disk cannot take the result; both leave no file behind.
    """
    try:
        with _opened(source) as file, _blaming_the_file():
            found = _survey(file)
            _write(file, found, video_path)
        with video_path.open("rb") as file, _blaming_the_file():
            made = _survey(file)
            _compare(found, made)
            thumbnail_path.write_bytes(_thumbnail(file, made))
        return VideoFacts(
            width=made.width,
            height=made.height,
            fps=round(float(made.fps), 3),
            duration_seconds=round(float(made.seconds), 3),
            frames=made.frames,
            has_audio=made.has_audio,
            size_bytes=video_path.stat().st_size,
            thumbnail_bytes=thumbnail_path.stat().st_size,
        )
    except BaseException:
        video_path.unlink(missing_ok=True)
        thumbnail_path.unlink(missing_ok=True)
        raise


def _opened(source: BinaryIO | Path) -> "nullcontext[BinaryIO] | BinaryIO":
    """Always through a Python file: a name is never handed to FFmpeg, which could take it for a protocol."""
    return source.open("rb") if isinstance(source, Path) else nullcontext(source)


@contextmanager
def _blaming_the_file() -> Iterator[None]:
    """FFmpeg's errors are the file's fault, except those of the disk: a full one does not make a clip bad."""
    try:
        yield
    except av.FFmpegError as error:
        if error.errno in _DISK_TROUBLE:
            raise
        raise MediaError(f"The video file is damaged or not a video ({error.strerror}).") from error


@contextmanager
def _reading(file: BinaryIO) -> Iterator[tuple[InputContainer, VideoStream, AudioStream | None]]:
    file.seek(0)
    limits = {"max_pixels": str(LARGEST_SIDE**2)}
    # An empty list of protocols: what the file refers to outside of itself cannot be opened.
    with av.open(
        file, "r", format="mp4", options=limits | {"protocol_whitelist": ""}, metadata_errors="replace", buffer_size=1 << 18
    ) as source:
        video = next((stream for stream in source.streams.video if stream.codec_context), None)
        if video is None:
            raise MediaError("The file holds no video stream.")
        video.codec_context.thread_count = THREADS
        video.codec_context.options = limits
        yield source, video, next((stream for stream in source.streams.audio if stream.codec_context), None)


# ---- Reading --------------------------------------------------------------------------------------------------------


def _survey(file: BinaryIO) -> _Survey:
    with _reading(file) as (source, video, audio):
        _check_size(video.codec_context.width, video.codec_context.height)
        unit = video.time_base or Fraction(0)
        shown, hidden, in_order = _packet_times(source, video)
        start, last, end = min(shown)[0], max(shown)[0], max(shown)[1]
        if not 0 < (end - start) * unit <= LONGEST_SECONDS:
            raise MediaError(f"The video lasts {float((end - start) * unit):.1f} s, which is not between 0 and {LONGEST_SECONDS} s.")
        first_frame = _frame_at(source, video, start)
        last_frame = _frame_at(source, video, last)
        if last_frame.pts is None or last_frame.is_corrupt or (last - last_frame.pts) * unit > 1:
            raise MediaError("The video's last second cannot be decoded.")
        return _Survey(
            width=first_frame.width,
            height=first_frame.height,
            frames=len(shown),
            start=start,
            last=last,
            end=end,
            unit=unit,
            rotation=first_frame.rotation,
            plays_everywhere=(
                video.codec_context.name == "h264"
                and first_frame.format.name in BROWSER_PIXELS
                and not (first_frame.width % 2 or first_frame.height % 2 or first_frame.rotation or hidden)
                and in_order
            ),
            has_audio=audio is not None,
        )


def _packet_times(source: InputContainer, video: VideoStream) -> tuple[list[tuple[int, int]], int, bool]:
    """When each shown frame begins and ends, how many packets an edit list hides, and whether decoding times only grow."""
    shown: list[tuple[int, int]] = []
    hidden, in_order, previous = 0, True, None
    for packet in _packets(source, video):
        if packet.is_corrupt:
            raise MediaError("The video file is cut short.")
        if packet.is_discard:
            hidden += 1
        else:
            shown.append((packet.pts or 0, (packet.pts or 0) + (packet.duration or 0)))
        if len(shown) + hidden > MOST_FRAMES:
            raise MediaError(f"The video has more than {MOST_FRAMES} frames.")
        in_order = in_order and (previous is None or (packet.dts or 0) > previous)
        previous = packet.dts or 0
    # The index is only a promise: where the file ends early, the reader just stops.
    if len(shown) + hidden < len(video.index_entries):
        raise MediaError("The video file is cut short.")
    if not shown:
        raise MediaError("The video has no frames.")
    return shown, hidden, in_order


def _packets(source: InputContainer, *streams: VideoStream | AudioStream) -> Iterator[Packet]:
    """The streams' packets without the empty ones that PyAV adds to flush decoders."""
    return (packet for packet in source.demux(*streams) if packet.dts is not None and packet.pts is not None)


def _frame_at(source: InputContainer, video: VideoStream, pts: int) -> av.VideoFrame:
    """The decoded frame that is shown at `pts`, or the nearest before the end."""
    frame = None
    for frame in _frames_from(source, video, pts):
        if frame.pts is not None and frame.pts >= pts:
            break
    if frame is None:
        raise MediaError("The video cannot be decoded.")
    return frame


def _frames_from(source: InputContainer, video: VideoStream, pts: int) -> Iterator[av.VideoFrame]:
    source.seek(pts, stream=video)
    return source.decode(video)


def _check_size(width: int, height: int) -> None:
    if min(width, height) < SMALLEST_SIDE or max(width, height) > LARGEST_SIDE:
        raise MediaError(f"The video is {width}x{height}; sides must be between {SMALLEST_SIDE} and {LARGEST_SIDE} pixels.")


def _compare(found: _Survey, made: _Survey) -> None:
    """The result shows what the source showed, from 0 on."""
    lost = found.frames - made.frames if found.plays_everywhere else 0
    if lost or abs(found.seconds - made.seconds) > Fraction(1, 2) or made.start * made.unit > Fraction(1, 1000):
        raise MediaError("The video's frames or times are inconsistent.")


def _thumbnail(file: BinaryIO, made: _Survey) -> bytes:
    """A JPEG of the frame at a third of the length, or of a brighter one soon after it when that one is black."""
    with _reading(file) as (source, video, _):
        third = made.start + (made.end - made.start) // 3
        frames = (frame for frame in _frames_from(source, video, third) if frame.pts is not None and frame.pts >= third)
        return jpeg(first_bright(frames) or _frame_at(source, video, made.last))


# ---- Writing --------------------------------------------------------------------------------------------------------


@contextmanager
def _writing(path: Path) -> Iterator[OutputContainer]:
    # The index in front, so that players need no second request; nothing but streams goes in, so no metadata does.
    with av.open(str(path.absolute()), "w", format="mp4", container_options={"movflags": "faststart", "fflags": "bitexact"}) as target:
        yield target


def _write(file: BinaryIO, found: _Survey, path: Path) -> None:
    with _reading(file) as (source, video, audio), _writing(path) as target:
        tracks: dict[int, _Track] = {video.index: (_Copied if found.plays_everywhere else _Picture)(video, target, found)}
        if audio:
            tracks[audio.index] = (_Copied if audio.codec_context.name == "aac" else _Sound)(audio, target, found)
        for packet in _packets(source, video, *([audio] if audio else [])):
            if packet.stream_index == video.index or _is_heard(packet, found):
                tracks[packet.stream_index].take(packet)
        for track in tracks.values():
            track.end()


def _is_heard(packet: Packet, found: _Survey) -> bool:
    """Whether sound belongs to the picture: not over before it, and not begun after it."""
    at = (packet.pts or 0) * packet.time_base
    return found.start * found.unit - _PRIMING_SECONDS <= at < found.end * found.unit


class _Track(ABC):
    """One stream on its way into the result."""

    def __init__(self, stream: Any, target: OutputContainer, found: _Survey) -> None:
        self.stream, self.target, self.found = stream, target, found
        # The picture's first moment, in this stream's own units: it becomes 0 for all.
        self.start = round(found.start * found.unit / (stream.time_base or found.unit))
        self.out = self.add()

    @abstractmethod
    def add(self) -> Any:
        """The stream of the result."""

    @abstractmethod
    def take(self, packet: Packet) -> None:
        """Write one packet of the source."""

    @abstractmethod
    def end(self) -> None:
        """Write what is still held back."""


class _Copied(_Track):
    """The same packets, earlier or later."""

    def add(self) -> Stream:
        out = self.target.add_stream_from_template(self.stream, opaque=True)
        out.time_base = self.stream.time_base
        return out

    def take(self, packet: Packet) -> None:
        packet.pts = (packet.pts or 0) - self.start
        packet.dts = (packet.dts or 0) - self.start
        packet.stream = self.out
        self.target.mux(packet)

    def end(self) -> None:
        """Nothing is: each packet went out as it came."""


class _Picture(_Track):
    """The pictures as 8-bit H.264 of an even size, upright; every frame keeps its time."""

    def add(self) -> Stream:
        sides = self.found.width // 2 * 2, self.found.height // 2 * 2
        width, height = reversed(sides) if abs(self.found.rotation) == 90 else sides
        rate = self.found.fps.limit_denominator(1001)
        quality = {"crf": "18", "preset": "veryfast"}  # beyond what an eye tells from the source
        out = self.target.add_stream("libx264", rate=rate, options=quality, width=width, height=height, pix_fmt="yuv420p")
        out.time_base = out.codec_context.time_base = self.found.unit
        out.codec_context.thread_count = THREADS
        source = self.stream.codec_context
        if source.colorspace:  # 0 is RGB, which becomes what players expect of a video that says nothing
            out.codec_context.colorspace, out.codec_context.color_primaries, out.codec_context.color_trc = (
                source.colorspace,
                source.color_primaries,
                source.color_trc,
            )
        self.graph: av.filter.Graph | None = None
        self.newest = -1
        return out

    def take(self, packet: Packet | None) -> None:
        for frame in self.stream.codec_context.decode(packet):
            self.graph = self.graph or self._upright(frame)
            self.graph.vpush(frame)
            upright = self.graph.vpull()
            upright.pts = (upright.pts or 0) - self.start
            # Two frames at one moment cannot both be shown, and no encoder takes them.
            if upright.pts > self.newest:
                self.newest = upright.pts
                upright.pict_type = 0  # the encoder decides, not the source
                self.target.mux(self.out.encode(upright))

    def end(self) -> None:
        self.take(None)
        self.target.mux(self.out.encode(None))

    def _upright(self, frame: av.VideoFrame) -> av.filter.Graph:
        graph = av.filter.Graph()
        filters = [graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=self.found.unit)]
        for name in (
            f"crop={frame.width // 2 * 2}:{frame.height // 2 * 2}:0:0",
            *_UPRIGHT.get(frame.rotation, ()),
            "format=yuv420p",
            "buffersink",
        ):
            filters.append(graph.add(*name.split("=")))
        graph.link_nodes(*filters).configure()
        return graph


class _Sound(_Track):
    """Any other sound as AAC, at the rate that video has everywhere."""

    def add(self) -> Stream:
        self.resampler = av.AudioResampler(format="fltp", layout="stereo", rate=48_000)
        return self.target.add_stream("aac", rate=48_000, layout="stereo")

    def take(self, packet: Packet | None) -> None:
        for frame in self.stream.codec_context.decode(packet):
            if frame.pts is not None:
                frame.pts -= self.start
            for even in self.resampler.resample(frame):
                self.target.mux(self.out.encode(even))

    def end(self) -> None:
        self.take(None)
        self.target.mux(self.out.encode(None))
