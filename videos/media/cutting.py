"""How many frames a video keeps and how fast they are shown: pure arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

# The share of its frames that a video may lack and still be spread over the asked length. More would be seen as slow motion.
LACK_MAX = Fraction(6, 100)


@dataclass(frozen=True, slots=True)
class Cut:
    """What becomes of the joined clips: their first `frames` frames are shown at `rate` frames a second.

    `lacking` is the share of the asked frames that are not there (0 when enough are).
    """

    frames: int
    rate: Fraction
    speed: float
    lacking: float
    needs_another: bool


def cut(frames: Sequence[int], fps: float | Fraction, seconds: float | Fraction) -> Cut:
    """Of clips with so many frames each, shown at `fps`, make `seconds` of video.

    A later clip begins with the frame that the one before it ended with, so each join costs one. What is too much is cut;
    a lack up to LACK_MAX is made up by one constant rate, a little lower. Raises ValueError for what is no clip, rate or length.
    """
    if not frames or min(frames) < 1 or fps <= 0 or seconds <= 0:
        raise ValueError("There must be a clip, each with a frame, and a rate and a length above 0.")
    there = sum(frames) - (len(frames) - 1)
    rate, length = Fraction(fps).limit_denominator(1001), Fraction(seconds)
    asked = max(1, round(length * rate))
    kept = min(there, asked)
    # Enough frames keep their own rate; at 29.97 a second a whole number of them is a hair off the asked length.
    shown_at = rate if kept == asked else kept / length
    lacking = Fraction(asked - kept, asked)
    return Cut(
        frames=kept,
        rate=shown_at,
        speed=round(float(shown_at / rate), 4),
        lacking=float(lacking),
        needs_another=lacking > LACK_MAX,
    )
