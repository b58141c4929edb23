"""A clip that goes on from another one's last picture, a little brighter or of another tint: brought over without a jump.

The picture that both have, as the one ended with it and as the other begins with it, tells the difference. It is taken
away at the join and given back over a second, so that nothing adds up in a chain of ten.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction

import av

_GIVEN_BACK_SECONDS = 1
# A difference of more levels of 255 is no drift of the same picture, and of less than half a one nothing to be seen.
_MOST, _LEAST = 12, 0.5
# So alike must the two be once their means are: what a model makes of its first frame is never the same to the pixel.
_ALIKE = 8.0
_LOOKED_AT = 32


class Levels:
    """What is added to each plane (luma, blue, red) of the frames after a join, ever less."""

    def __init__(self, offsets: Sequence[float], rate: Fraction) -> None:
        self._offsets, self._left = offsets, round(rate * _GIVEN_BACK_SECONDS)
        self._steps = self._left

    @classmethod
    def between(cls, before: av.VideoFrame, after: av.VideoFrame, rate: Fraction) -> "Levels":
        """From the same picture at the end of one clip and at the beginning of the next, in yuv420p."""
        planes = list(zip(_small(before), _small(after), strict=True))
        offsets = [_mean(one) - _mean(other) for one, other in planes]
        unlike = max(
            _mean([abs(a - b - offset) for a, b in zip(one, other, strict=True)])
            for (one, other), offset in zip(planes, offsets, strict=True)
        )
        same_picture = unlike <= _ALIKE and max(map(abs, offsets)) <= _MOST
        return cls(offsets if same_picture else [0.0] * len(offsets), rate)

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The next frame after the join, corrected in place."""
        share, self._left = self._left / self._steps if self._steps else 0, max(0, self._left - 1)
        for plane, offset in zip(frame.planes, self._offsets, strict=True):
            if abs(offset * share) >= _LEAST:
                frame.make_writable()
                plane.update(bytes(plane).translate(_raised(round(offset * share))))
        return frame


def _raised(by: int) -> bytes:
    return bytes(min(255, max(0, level + by)) for level in range(256))


def _small(frame: av.VideoFrame) -> Iterator[list[int]]:
    small = frame.reformat(_LOOKED_AT, _LOOKED_AT, "yuv444p", interpolation="AREA")
    for plane in small.planes:
        data = bytes(plane)
        yield [level for row in range(plane.height) for level in data[row * plane.line_size :][: plane.width]]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
