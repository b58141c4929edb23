"""The models as MiniMax lists them: what each accepts, the pictures it delivers, how long it takes and what it costs.

Lengths, sizes, pixels, rates and prices are those of MiniMax's documentation as of 2026. Times are the middle of the
typical ranges: video-01 80-240 s, Hailuo 768P 6 s 120-300 s, Hailuo 1080P 240 s, H3 768P 4 s 100 s. Nobody published
the others: longer clips and 2K are taken in proportion, 512P and 2.3-Fast as the low end of the range.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum


class FirstFrame(Enum):
    REFUSED = "refused"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class Made:
    """One length in one size: typical seconds until it is made, and its price in USD."""

    seconds: float
    price: Decimal


@dataclass(frozen=True, slots=True)
class Model:
    api: str
    fps: int
    first_frame: FirstFrame
    # By length (seconds) and size: the combinations that the model makes.
    makes: dict[tuple[int, str], Made]
    default_length: int
    default_size: str
    # Sizes that are made only from a first frame.
    sizes_from_frame: frozenset[str] = frozenset()
    takes_last_frame: bool = False
    has_sound: bool = False
    # A clip has so many frames more than a multiple of the second number; None: its length says how many.
    frames_in_steps: tuple[int, int] | None = None
    references_most: int = 0
    # USD for each picture of a job beyond so many.
    images_free: int = 0
    image_price: Decimal = Decimal(0)

    def price(self, length: int, size: str, images: int) -> Decimal:
        """USD for a job with that many pictures."""
        return self.makes[length, size].price + self.image_price * max(0, images - self.images_free)

    def refusal(self, length: int, size: str, *, has_frame: bool) -> str | None:
        """Why MiniMax would not make this; None when it would."""
        if (length, size) not in self.makes:
            return f"duration {length} with resolution {size} is not supported by this model"
        if self.first_frame is FirstFrame.REFUSED and has_frame:
            return "first_frame_image is not supported by this model"
        if not has_frame and (self.first_frame is FirstFrame.REQUIRED or size in self.sizes_from_frame):
            return "first_frame_image is required"
        return None

    def frames(self, length: int) -> int:
        """How many frames a clip of that length has."""
        least = length * self.fps
        if self.frames_in_steps is None:
            return least
        first, step = self.frames_in_steps
        return first + -(-max(0, least - first) // step) * step


def _prices(seconds: dict[tuple[int, str], float], prices: dict[tuple[int, str], str]) -> dict[tuple[int, str], Made]:
    return {key: Made(seconds[key], Decimal(prices[key])) for key in seconds}


_HAILUO = _prices(
    {(6, "768P"): 210.0, (10, "768P"): 350.0, (6, "1080P"): 240.0},
    {(6, "768P"): "0.28", (10, "768P"): "0.56", (6, "1080P"): "0.49"},
)
_HAILUO_512 = _prices({(6, "512P"): 120.0, (10, "512P"): 200.0}, {(6, "512P"): "0.10", (10, "512P"): "0.15"})
_HAILUO_FAST = _prices(
    {(6, "768P"): 120.0, (10, "768P"): 200.0, (6, "1080P"): 140.0},
    {(6, "768P"): "0.19", (10, "768P"): "0.32", (6, "1080P"): "0.33"},
)
# For each second: its price, and how long it takes. Nobody published how long H3-Max takes; it is said to be the fast one.
_H3 = {"768P": (Decimal("0.08"), 25.0), "2K": (Decimal("0.13"), 40.0)}
_H3_MAX = {"480P": (Decimal("0.05"), 5.0), "768P": (Decimal("0.08"), 8.0)}


def _third_generation(sizes: dict[str, tuple[Decimal, float]], *, images_free: int, image_price: str) -> Model:
    return Model(
        api="v2",
        fps=24,
        first_frame=FirstFrame.OPTIONAL,
        makes={
            (length, size): Made(seconds * length, price * length) for size, (price, seconds) in sizes.items() for length in range(4, 16)
        },
        default_length=5,
        default_size="768P",
        takes_last_frame=True,
        has_sound=True,
        frames_in_steps=(5, 17),
        references_most=9,
        images_free=images_free,
        image_price=Decimal(image_price),
    )


def _first_generation(first_frame: FirstFrame) -> Model:
    made = {(6, "720P"): Made(160.0, Decimal("0.43"))}
    return Model(api="v1", fps=25, first_frame=first_frame, makes=made, default_length=6, default_size="720P")


def _hailuo(first_frame: FirstFrame, makes: dict[tuple[int, str], Made], *, from_frame: str = "", last_frame: bool = False) -> Model:
    return Model(
        api="v1",
        fps=24,
        first_frame=first_frame,
        makes=makes,
        default_length=6,
        default_size="768P",
        sizes_from_frame=frozenset({from_frame}),
        takes_last_frame=last_frame,
    )


MODELS = {
    "video-01": _first_generation(FirstFrame.OPTIONAL),
    "T2V-01": _first_generation(FirstFrame.REFUSED),
    "T2V-01-Director": _first_generation(FirstFrame.REFUSED),
    "I2V-01": _first_generation(FirstFrame.REQUIRED),
    "I2V-01-Director": _first_generation(FirstFrame.REQUIRED),
    "I2V-01-live": _first_generation(FirstFrame.REQUIRED),
    "MiniMax-Hailuo-02": _hailuo(FirstFrame.OPTIONAL, _HAILUO | _HAILUO_512, from_frame="512P", last_frame=True),
    "MiniMax-Hailuo-2.3": _hailuo(FirstFrame.OPTIONAL, _HAILUO),
    "MiniMax-Hailuo-2.3-Fast": _hailuo(FirstFrame.REQUIRED, _HAILUO_FAST),
    "MiniMax-H3": _third_generation(_H3, images_free=5, image_price="0.04"),
    "MiniMax-H3-Max": _third_generation(_H3_MAX, images_free=2, image_price="0.074"),
}

# Images in the sizes that MiniMax lists for image-01, and the price of one in USD.
IMAGE_MODEL = "image-01"
IMAGE_PRICE = Decimal("0.0035")
IMAGE_PIXELS = {
    "1:1": (1024, 1024),
    "16:9": (1280, 720),
    "4:3": (1152, 864),
    "3:2": (1248, 832),
    "2:3": (832, 1248),
    "3:4": (864, 1152),
    "9:16": (720, 1280),
    "21:9": (1344, 576),
}
