"""Reading a file that came from somebody else's server, trusted with nothing.

Only the MP4 reader is allowed, no protocol can be reached from inside the file, and what the file says about itself is
checked by reading and decoding it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from videos.media.blaming import blaming_the_file
from videos.media.errors import MediaError

# Longest and largest that any model makes is 60 s (a chain of clips) of 2560x1440: twice that is somebody's mistake.
LONGEST_SECONDS = 120
MOST_FRAMES = 10_000
SMALLEST_SIDE, LARGEST_SIDE = 16, 4096

# It decodes ahead, so that the encoder's one thread does not wait for it.
_DECODER_THREADS = 2


class Source(NamedTuple):
    """An open file and the streams in it that count."""

    container: InputContainer
    video: VideoStream
    audio: AudioStream | None

    def packets(self, *streams: VideoStream | AudioStream) -> Iterator[Packet]:
        """The streams' packets without the empty ones that PyAV adds to flush decoders."""
        return (packet for packet in self.container.demux(*streams) if packet.dts is not None and packet.pts is not None)


@contextmanager
def reading(path: Path) -> Iterator[Source]:
    """Open a file. Raises MediaError for what is no video, and for what goes wrong with it while it is open."""
    # Always through a Python file: a name is never handed to FFmpeg, which could take it for a protocol.
    with path.open("rb") as file, blaming_the_file():
        limits = {"max_pixels": str(LARGEST_SIDE**2)}
        # An empty list of protocols: what the file refers to outside of itself cannot be opened.
        with av.open(
            file, "r", format="mp4", options=limits | {"protocol_whitelist": ""}, metadata_errors="replace", buffer_size=1 << 18
        ) as container:
            video = next((stream for stream in container.streams.video if stream.codec_context), None)
            if video is None:
                raise MediaError("The file holds no video stream.")
            video.codec_context.thread_count = _DECODER_THREADS
            video.codec_context.options = limits
            yield Source(container, video, next((stream for stream in container.streams.audio if stream.codec_context), None))


class Scan(NamedTuple):
    """What every packet says, nothing decoded. Times are in units of `unit` seconds."""

    times: list[int]
    end: int
    unit: Fraction
    hidden: int
    in_order: bool

    @property
    def seconds(self) -> Fraction:
        return (self.end - self.times[0]) * self.unit


def scan(source: Source) -> Scan:
    """When each shown frame begins, how many packets an edit list hides, and whether decoding times only grow.

    Raises:
        MediaError: the file is cut short, or absurdly large or long.
    """
    check_size(source.video.codec_context.width, source.video.codec_context.height)
    times: list[int] = []
    end, hidden, in_order, previous = 0, 0, True, None
    for packet in source.packets(source.video):
        if packet.is_corrupt:
            raise MediaError("The video file is cut short.")
        if packet.is_discard:
            hidden += 1
        else:
            times.append(packet.pts or 0)
            end = max(end, (packet.pts or 0) + (packet.duration or 0)) if len(times) > 1 else (packet.pts or 0) + (packet.duration or 0)
        if len(times) + hidden > MOST_FRAMES:
            raise MediaError(f"The video has more than {MOST_FRAMES} frames.")
        in_order = in_order and (previous is None or (packet.dts or 0) > previous)
        previous = packet.dts or 0
    # The index is only a promise: where the file ends early, the reader just stops.
    if len(times) + hidden < len(source.video.index_entries):
        raise MediaError("The video file is cut short.")
    if not times:
        raise MediaError("The video has no frames.")
    found = Scan(sorted(times), end, source.video.time_base or Fraction(0), hidden, in_order)
    if not 0 < found.seconds <= LONGEST_SECONDS:
        raise MediaError(f"The video lasts {float(found.seconds):.1f} s, which is not between 0 and {LONGEST_SECONDS} s.")
    return found


def check_size(width: int, height: int) -> None:
    if min(width, height) < SMALLEST_SIDE or max(width, height) > LARGEST_SIDE:
        raise MediaError(f"The video is {width}x{height}; sides must be between {SMALLEST_SIDE} and {LARGEST_SIDE} pixels.")


def decoded(source: Source) -> Iterator[av.VideoFrame]:
    """Every frame that a player would show, in the order in which it is shown. Raises MediaError at one that is damaged."""
    for frame in source.container.decode(source.video):
        if frame.is_corrupt:
            raise MediaError("The video's pictures are damaged.")
        if frame.pts is None:
            raise MediaError("The video has a picture without a time.")
        check_size(frame.width, frame.height)
        yield frame


def frames_from(source: Source, pts: int) -> Iterator[av.VideoFrame]:
    """The frames that are shown at `pts` and after it."""
    source.container.seek(pts, stream=source.video)
    return (frame for frame in source.container.decode(source.video) if frame.pts is not None and frame.pts >= pts)
