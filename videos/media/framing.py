"""Pictures of any size, shape, turn and colours brought to one size, upright, in square pixels and in the colours of HD video."""

from fractions import Fraction
from typing import NamedTuple

import av
import av.filter

# A display matrix turns counterclockwise; these bake it into the picture.
_UPRIGHT = {90: ["transpose=cclock"], -90: ["transpose=clock"], 180: ["hflip", "vflip"], -180: ["hflip", "vflip"]}

# H.273's numbers: what the result is in, and what swscale converts from. A video that does not say is BT.709 to players.
BT709 = 1
_MATRICES = frozenset({4, 5, 6, 7, 9})
_PRIMARIES = frozenset({4, 5, 6, 7, 9, 11, 12})
_TRANSFERS = frozenset({4, 5, 6, 7, 8, 13, 14, 15})
LIMITED, _FULL = 1, 2


class Side(NamedTuple):
    """What is done to one side of a picture: its middle `cropped` pixels are scaled to `scaled`, of which the middle is kept."""

    cropped: int
    scaled: int


def side(length: int, factor: Fraction, wanted: int) -> Side:
    """How a side of `length` pixels that is scaled by `factor` comes to `wanted` ones or is cut to them.

    What is cut away is cut before the scaling, which costs, but for a few pixels: so both sides are scaled alike to a
    hair, which a crop to whole (and for the colours even) pixels alone would not do.
    """
    cropped = min(length, -(-wanted // factor) + 4)
    cropped += (length - cropped) % 4  # the same even number on both ends keeps the middle in the middle
    return Side(min(cropped, length), max(wanted, round(min(cropped, length) * factor)))


def square_size(width: int, height: int, shape: Fraction, rotation: int) -> tuple[int, int]:
    """The size in which a player shows a stored picture whose pixels are `shape` times as wide as high."""
    shown = round(width * shape), height
    return (shown[1], shown[0]) if abs(rotation) == 90 else shown


class Framing:
    """Makes every picture of a clip `width` x `height`: covered, the middle kept, limited-range BT.709."""

    def __init__(self, width: int, height: int, shape: Fraction) -> None:
        self._width, self._height, self._shape = width, height, shape
        self._kind: tuple[object, ...] = ()
        self._graph: av.filter.Graph | None = None

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        _say_colours(frame)
        kind = (frame.width, frame.height, frame.format.name, frame.rotation, frame.colorspace, frame.color_range)
        if self._graph is None or kind != self._kind:
            self._kind, self._graph = kind, self._built(frame)
        self._graph.vpush(frame)
        return self._graph.vpull()

    def _built(self, frame: av.VideoFrame) -> av.filter.Graph:
        turned = abs(frame.rotation) == 90
        width, height = (frame.height, frame.width) if turned else (frame.width, frame.height)
        shape = 1 / self._shape if turned else self._shape
        factor = max(self._width / (width * shape), Fraction(self._height, height))
        across, down = side(width, factor * shape, self._width), side(height, factor, self._height)
        return graph(
            *_shown(frame),
            f"crop={across.cropped}:{down.cropped}",
            f"scale={across.scaled}:{down.scaled}:flags=lanczos+accurate_rnd:out_color_matrix=bt709:out_range=limited:"
            "out_primaries=bt709:out_transfer=bt709",
            "format=yuv420p",
            f"crop={self._width}:{self._height}",
            "setsar=1",
            "buffersink",
        )


def upright(frame: av.VideoFrame, *filters: str) -> av.VideoFrame:
    """One picture turned as a player shows it, and sent through `filters`."""
    _say_colours(frame)
    chain = graph(*_shown(frame), *filters, "buffersink")
    chain.vpush(frame)
    return chain.vpull()


def _shown(frame: av.VideoFrame) -> tuple[str, ...]:
    """The filters with which every chain for such frames begins."""
    return (
        f"buffer=video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base=1/1:"
        f"colorspace={int(frame.colorspace)}:range={int(frame.color_range)}",
        *_UPRIGHT.get(frame.rotation, ()),
    )


def graph(*filters: str) -> av.filter.Graph:
    """A chain of filters, each "name=arguments"."""
    made = av.filter.Graph()
    made.threads = 1  # the encoder and the decoder keep the other cores busy
    nodes = [made.add(name, arguments or None) for name, _, arguments in (text.partition("=") for text in filters)]
    made.link_nodes(*nodes).configure()
    return made


def _say_colours(frame: av.VideoFrame) -> None:
    """Fill in what the frame does not say of its colours, or says wrongly."""
    if frame.format.is_rgb:
        frame.colorspace, frame.color_range = 0, _FULL
    else:
        frame.colorspace = frame.colorspace if frame.colorspace in _MATRICES else BT709
        full = frame.color_range == _FULL or frame.format.name.startswith("yuvj")
        frame.color_range = _FULL if full else LIMITED
    frame.color_primaries = frame.color_primaries if frame.color_primaries in _PRIMARIES else BT709
    frame.color_trc = frame.color_trc if frame.color_trc in _TRANSFERS else BT709
