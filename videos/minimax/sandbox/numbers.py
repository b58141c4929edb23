"""Numbers drawn into pictures, one in each frame, so that a program can tell where in its scene a frame belongs.

A square of 5 x 5 cells in the centre, half the shorter side wide: a white and a black marker, 22 bits with the highest
first, and a parity that makes the count of white cells among the last 23 even. It survives encoding and a crop from
16:9 to 9:16.
"""

import functools
import math
from dataclasses import dataclass
from itertools import pairwise

from av.video.frame import VideoFrame

_CELLS = 5
_BITS = 22
_WHITE, _BLACK, _GREY = 235, 16, 128
# A cell is read only when it is clearly white or black: an ordinary picture must not be taken for a number.
_WHITE_FROM, _BLACK_TO = 170, 85


@dataclass(frozen=True, slots=True)
class _Square:
    """Where the cells of a picture begin, and the last ends, along both sides."""

    xs: tuple[int, ...]
    ys: tuple[int, ...]


def draw(frame: VideoFrame, number: int) -> None:
    """Draw the number into a yuv420p frame."""
    square = _square(frame.width, frame.height)
    bits = _cells(number)
    luma, stride = memoryview(frame.planes[0]), frame.planes[0].line_size
    for row, (top, bottom) in enumerate(pairwise(square.ys)):
        cells = bits[row * _CELLS : (row + 1) * _CELLS]
        columns = zip(cells, pairwise(square.xs), strict=True)
        line = b"".join(bytes([_WHITE if bit else _BLACK]) * (right - left) for bit, (left, right) in columns)
        for y in range(top, bottom):
            start = y * stride + square.xs[0]
            luma[start : start + len(line)] = line
    left, right, top, bottom = square.xs[0] // 2, (square.xs[-1] + 1) // 2, square.ys[0] // 2, (square.ys[-1] + 1) // 2
    for plane in frame.planes[1:]:
        chroma = memoryview(plane)
        for y in range(top, bottom):
            start = y * plane.line_size
            chroma[start + left : start + right] = bytes([_GREY]) * (right - left)


def read(picture: VideoFrame) -> int | None:
    """The number in a picture; None when it shows none."""
    grey = picture.reformat(format="gray")
    luma, stride = memoryview(grey.planes[0]), grey.planes[0].line_size
    square = _square(grey.width, grey.height)
    means = [_mean(luma, stride, rows, columns) for rows in pairwise(square.ys) for columns in pairwise(square.xs)]
    if any(_BLACK_TO < mean < _WHITE_FROM for mean in means):
        return None
    white, black, *bits = (mean >= _WHITE_FROM for mean in means)
    if not white or black or sum(bits) % 2:
        return None
    return sum(bit << place for place, bit in enumerate(reversed(bits[:_BITS])))


def _cells(number: int) -> list[bool]:
    bits = [bool(number >> place & 1) for place in reversed(range(_BITS))]
    return [True, False, *bits, sum(bits) % 2 == 1]


def _mean(luma: memoryview, stride: int, rows: tuple[int, int], columns: tuple[int, int]) -> float:
    """The mean of the middle half of a cell."""
    (top, bottom), (left, right) = _middle(*rows), _middle(*columns)
    return sum(sum(luma[y * stride + left : y * stride + right]) for y in range(top, bottom)) / ((bottom - top) * (right - left))


def _middle(start: int, end: int) -> tuple[int, int]:
    quarter = (end - start) // 4
    return start + quarter, max(end - quarter, start + quarter + 1)


@functools.lru_cache(maxsize=64)
def _square(width: int, height: int) -> _Square:
    cell = min(width, height) / (2 * _CELLS)

    def edges(side: int) -> tuple[int, ...]:
        # A pixel's middle decides to which cell it belongs.
        return tuple(math.ceil(side / 2 + (edge - _CELLS / 2) * cell - 0.5) for edge in range(_CELLS + 1))

    return _Square(edges(width), edges(height))
