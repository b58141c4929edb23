"""The V1 models as MiniMax lists them: what each accepts, the pictures it delivers and how long it takes.

Lengths, sizes, pixels and rates are those of MiniMax's V1 documentation as of 2026. Times are the middle of the typical
ranges: video-01 80-240 s, Hailuo 768P 6 s 120-300 s, Hailuo 1080P 240 s. Nobody published the others: 10 s are taken
in proportion, 512P and 2.3-Fast as the low end of the range.
"""

from dataclasses import dataclass
from enum import Enum


class FirstFrame(Enum):
    REFUSED = "refused"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class Model:
    fps: int
    first_frame: FirstFrame
    # Typical seconds by length (seconds) and size: the combinations that the model makes.
    seconds: dict[tuple[int, str], float]
    default_size: str
    # Sizes that are made only from a first frame.
    sizes_from_frame: frozenset[str] = frozenset()

    def refusal(self, length: int, size: str, *, has_frame: bool) -> str | None:
        """Why MiniMax would not make this; None when it would."""
        if (length, size) not in self.seconds:
            return f"duration {length} with resolution {size} is not supported by this model"
        if self.first_frame is FirstFrame.REFUSED and has_frame:
            return "first_frame_image is not supported by this model"
        if not has_frame and (self.first_frame is FirstFrame.REQUIRED or size in self.sizes_from_frame):
            return "first_frame_image is required"
        return None


# 512P's width is documented nowhere: 16:9, rounded to what H.264 can hold.
PIXELS = {"512P": (912, 512), "720P": (1280, 720), "768P": (1366, 768), "1080P": (1920, 1080)}

_HAILUO = {(6, "768P"): 210.0, (10, "768P"): 350.0, (6, "1080P"): 240.0}
_HAILUO_FAST = {(6, "768P"): 120.0, (10, "768P"): 200.0, (6, "1080P"): 140.0}


def _first_generation(first_frame: FirstFrame) -> Model:
    return Model(fps=25, first_frame=first_frame, seconds={(6, "720P"): 160.0}, default_size="720P")


MODELS = {
    "video-01": _first_generation(FirstFrame.OPTIONAL),
    "T2V-01": _first_generation(FirstFrame.REFUSED),
    "T2V-01-Director": _first_generation(FirstFrame.REFUSED),
    "I2V-01": _first_generation(FirstFrame.REQUIRED),
    "I2V-01-live": _first_generation(FirstFrame.REQUIRED),
    "MiniMax-Hailuo-02": Model(
        fps=24,
        first_frame=FirstFrame.OPTIONAL,
        seconds=_HAILUO | {(6, "512P"): 120.0, (10, "512P"): 200.0},
        default_size="768P",
        sizes_from_frame=frozenset({"512P"}),
    ),
    "MiniMax-Hailuo-2.3": Model(fps=24, first_frame=FirstFrame.OPTIONAL, seconds=_HAILUO, default_size="768P"),
    "MiniMax-Hailuo-2.3-Fast": Model(fps=24, first_frame=FirstFrame.REQUIRED, seconds=_HAILUO_FAST, default_size="768P"),
}
DEFAULT_LENGTH = 6
