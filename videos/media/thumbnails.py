"""One picture out of a video: which, and as a JPEG."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice

import av
from av.video.reformatter import Colorspace

LONGEST_SIDE = 1280

# Mean luma of 255 under which a picture counts as black, and how many frames to look on for a brighter one.
_BLACK, _LOOK_ON_FRAMES = 32, 60
# The colour spaces (H.273's numbers) that swscale converts from.
_CONVERTIBLE = frozenset({1, 4, 5, 6, 7, 9})


def first_bright(frames: Iterable[av.VideoFrame]) -> av.VideoFrame | None:
    """The first frame that is not black, or the brightest where all are; None when there is no frame."""
    return max(islice(_until_bright(frames), _LOOK_ON_FRAMES), key=_luma, default=None)


def jpeg(frame: av.VideoFrame) -> bytes:
    """At the frame's own ratio, the longest side at most LONGEST_SIDE pixels."""
    shrink = min(Fraction(1), Fraction(LONGEST_SIDE, max(frame.width, frame.height)))
    return encoded(scaled(frame, round(frame.width * shrink), round(frame.height * shrink), "yuvj420p"))


def encoded(picture: av.VideoFrame) -> bytes:
    """A picture in JPEG's own pixels (`scaled` to yuvj420p) as a file."""
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = picture.width, picture.height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)  # encoders want one, pictures have none
    encoder.thread_count = 1
    encoder.options = {"qmin": "3", "qmax": "3", "flags": "bitexact"}  # to the eye like the video
    return b"".join(bytes(packet) for given in (picture, None) for packet in encoder.encode(given))


def _until_bright(frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    for frame in frames:
        yield frame
        if _luma(frame) >= _BLACK:
            return


def _luma(frame: av.VideoFrame) -> float:
    data = bytes(scaled(frame, 64, 64, "gray").planes[0])
    return sum(data) / len(data)


def scaled(frame: av.VideoFrame, width: int, height: int, pixels: str) -> av.VideoFrame:
    """In JPEG's colours, those of BT.601. A video that does not say what its own are is BT.709 to players."""
    colours = frame.colorspace if frame.colorspace in _CONVERTIBLE else Colorspace.ITU709
    return frame.reformat(width, height, pixels, src_colorspace=colours, dst_colorspace=Colorspace.ITU601, interpolation="AREA")
