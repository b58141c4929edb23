"""A number drawn into a picture that a program reads again after scaling, cropping to the middle and encoding.

A square of 5 x 5 cells in the middle, half as wide as the picture's shorter side: a white and a black marker, 22 bits with
the highest first, and a parity bit that makes the number of white ones even. Such a square survives a cut from 16:9 to 9:16.
"""

from collections.abc import Iterable
from itertools import pairwise

import av

_CELLS, _BITS = 5, 22
_WHITE, _BLACK = 235, 16


def draw(frame: av.VideoFrame, number: int) -> None:
    """Draw `number`, from 0 to 2**22 - 1, into a yuv420p picture."""
    bits = [number >> place & 1 for place in reversed(range(_BITS))]
    cells = [1, 0, *bits, sum(bits) % 2]
    luma = frame.planes[0]
    data = bytearray(luma)
    columns, rows = _edges(frame.width, _cell(frame)), _edges(frame.height, _cell(frame))
    for index, white in enumerate(cells):
        left, right = columns[index % _CELLS : index % _CELLS + 2]
        for row in range(*rows[index // _CELLS : index // _CELLS + 2]):
            at = row * luma.line_size
            data[at + left : at + right] = bytes([_WHITE if white else _BLACK]) * (right - left)
    luma.update(bytes(data))
    for plane in frame.planes[1:]:
        data = bytearray(plane)
        for row in range(rows[0] // 2, rows[-1] // 2 + 1):
            at = row * plane.line_size
            data[at + columns[0] // 2 : at + columns[-1] // 2 + 1] = bytes([128]) * (columns[-1] // 2 + 1 - columns[0] // 2)
        plane.update(bytes(data))


def read(frame: av.VideoFrame, source: tuple[int, int] | None = None) -> int | None:
    """The number in a picture that was made of one of size `source`; None when there is none to be read."""
    grey = frame if frame.format.name.startswith("yuv") else frame.reformat(format="gray")
    width, height = source or (frame.width, frame.height)
    cell = min(width, height) * max(frame.width / width, frame.height / height) / (2 * _CELLS)
    plane = grey.planes[0]
    data = bytes(plane)

    def mean(index: int) -> float:
        column, row = index % _CELLS, index // _CELLS
        across, down = _middle(frame.width, cell, column), _middle(frame.height, cell, row)
        rows = (y * plane.line_size for y in down)
        return sum(sum(data[row + across.start : row + across.stop]) for row in rows) / (len(across) * len(down))

    values = [mean(index) for index in range(_CELLS**2)]
    if values[0] - values[1] < 64:
        return None
    bits = [value > (values[0] + values[1]) / 2 for value in values[2:]]
    return None if sum(bits) % 2 else sum(bit << place for place, bit in enumerate(reversed(bits[:-1])))


def rise_by_one(numbers: Iterable[int | None]) -> bool:
    """Whether each number follows the one before it: nothing missing, doubled, or without a number."""
    return all(before is not None and after == before + 1 for before, after in pairwise(numbers))


def _cell(frame: av.VideoFrame) -> float:
    return min(frame.width, frame.height) / (2 * _CELLS)


def _edges(length: int, cell: float) -> list[int]:
    """Where the cells begin, and where the last one ends: the first pixel whose middle lies in them."""
    return [-int(-(length / 2 + (index - _CELLS / 2) * cell - 0.5) // 1) for index in range(_CELLS + 1)]


def _middle(length: int, cell: float, index: int) -> range:
    """The pixels of the middle half of a cell, at least one."""
    centre = length / 2 + (index + 0.5 - _CELLS / 2) * cell
    first = round(centre - cell / 4)
    return range(first, max(first + 1, round(centre + cell / 4)))
