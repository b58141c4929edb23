"""Images: those that clients send as frames, looked at and kept, and those that image-01 makes."""

import base64
import binascii
import hashlib
import os
import re
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
from av.video.frame import VideoFrame

from videos.minimax.sandbox import numbers
from videos.minimax.sandbox.drawing import still

IMAGE_LARGEST = 20 * 1024 * 1024
SHORT_SIDE_ABOVE = 300
# Decoding an image of more pixels would take more memory than a sandbox should.
_PIXELS_MOST = 64_000_000
_RATIO_LEAST, _RATIO_MOST = 2 / 5, 5 / 2
_DATA_URL = re.compile(r"data:image/(?:jpeg|jpg|png|webp);base64,", re.IGNORECASE)


class Unfit(ValueError):
    """MiniMax would not take this image; the message says why."""


@dataclass(frozen=True, slots=True)
class Frame:
    """An image that a client sent: under which name it is kept, its pixels, and the number that is drawn into it, if one is."""

    name: str
    width: int
    height: int
    number: int | None


class Frames:
    """The frames that clients sent, kept on disk: a clip that is asked for later begins with one."""

    def __init__(self, folder: Path, *, scale: int) -> None:
        self._folder = folder
        # Where clips are small, the frames taken out of them are too.
        self._short_side_above = SHORT_SIDE_ABOVE / scale
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        return self._folder / name

    def keep(self, content: bytes) -> Frame:
        """Look at an image and keep it; raises Unfit."""
        picture = open_image(content)
        self._check_shape(picture.width, picture.height)
        name = hashlib.sha256(content).hexdigest()[:32]
        path = self._folder / name
        if not path.exists():
            unfinished = path.with_suffix(f".{os.urandom(4).hex()}")
            unfinished.write_bytes(content)
            unfinished.replace(path)
        return Frame(name, picture.width, picture.height, numbers.read(picture))

    def _check_shape(self, width: int, height: int) -> None:
        if min(width, height) <= self._short_side_above:
            raise Unfit(f"the shorter side must have more than {SHORT_SIDE_ABOVE} pixels, not {min(width, height)}")
        if not _RATIO_LEAST <= width / height <= _RATIO_MOST:
            raise Unfit(f"the ratio must be from 2:5 to 5:2, not {width}:{height}")


def read_data_url(url: str) -> bytes:
    """The image inside a data URL; raises Unfit."""
    start = _DATA_URL.match(url)
    if start is None:
        raise Unfit("it must be a URL, or a data URL of a JPG, PNG or WebP image")
    try:
        content = base64.b64decode(url[start.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise Unfit("it is not valid base64") from None
    if not 0 < len(content) < IMAGE_LARGEST:
        raise Unfit("it must be smaller than 20 MB")
    return content


def open_image(content: bytes) -> VideoFrame:
    """The picture in a JPG, PNG or WebP, in RGB; raises Unfit."""
    try:
        with av.open(BytesIO(content), "r", format=_demuxer(content)) as container:
            codec = container.streams.video[0].codec_context
            if codec.width * codec.height > _PIXELS_MOST:
                raise Unfit("it has too many pixels")
            return next(container.decode(video=0)).reformat(format="rgb24")
    except (av.FFmpegError, StopIteration, IndexError, ValueError) as error:
        raise error if isinstance(error, Unfit) else Unfit("it cannot be decoded") from None


def make_jpeg(prompt: str, number: int, pixels: tuple[int, int]) -> bytes:
    """The `number`-th image that image-01 makes of this prompt."""
    picture = still(f"{number} {prompt}", *pixels)
    codec = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = picture.width, picture.height, "yuvj420p", Fraction(1)
    codec.options = {"q": "3"}
    packets = [*codec.encode(picture.reformat(format="yuvj420p")), *codec.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


def _demuxer(content: bytes) -> str:
    if content.startswith(b"\xff\xd8\xff"):
        return "jpeg_pipe"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png_pipe"
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "webp_pipe"
    raise Unfit("it is no JPG, PNG or WebP image")
