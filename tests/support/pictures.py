"""Small images in the forms that MiniMax takes."""

import functools
from fractions import Fraction
from typing import Any

import av


@functools.cache
def jpeg(width: int = 640, height: int = 360) -> bytes:
    return encoded("mjpeg", plain(width, height, "yuvj420p"))


@functools.cache
def png(width: int = 640, height: int = 360) -> bytes:
    return encoded("png", plain(width, height, "rgb24"))


def plain(width: int, height: int, form: str) -> av.VideoFrame:
    """A picture of one colour; a new frame holds whatever was in memory."""
    frame = av.VideoFrame(width, height, form)
    for plane, value in zip(frame.planes, (90, 140, 110), strict=False):
        plane.update(bytes([value]) * plane.buffer_size)
    return frame


def encoded(codec_name: str, frame: av.VideoFrame) -> bytes:
    """The frame as one image."""
    codec: Any = av.CodecContext.create(codec_name, "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = frame.width, frame.height, frame.format.name, Fraction(1, 25)
    return b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])
