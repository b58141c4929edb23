"""What a model makes at MiniMax, read from what an administrator typed into `VideoModel.natives`."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, Self

FPS_MAX = 120
# Sides in pixels that the media room takes: what is outside of them could be ordered, and never delivered.
SIDE_MIN, SIDE_MAX = 16, 4096
SECONDS_MAX = 60
# What a clip's cost has room for in the database.
COST_DECIMALS, COST_LIMIT = 4, Decimal(10) ** 6


class NativeFormatsError(ValueError):
    """The natives cannot be read; the message names the part at fault."""


@dataclass(frozen=True)
class NativeFormat:
    """One size that a model makes, and what its clips of each length cost."""

    resolution: str
    width: int  # pixels
    height: int
    fps: float
    clips: tuple[tuple[int, Decimal], ...]  # (seconds, USD), shortest first
    ratio: str = ""
    needs_frame: bool = False

    @property
    def longest(self) -> int:
        return self.clips[-1][0]

    @classmethod
    def read(cls, entry: Any) -> Self:
        """One entry of the list.

        Raises:
            NativeFormatsError: naming the part at fault.
        """
        if not isinstance(entry, dict):
            raise NativeFormatsError("it must be an object in braces")
        if unknown := entry.keys() - {"resolution", "width", "height", "fps", "clips", "ratio", "needs_frame"}:
            raise NativeFormatsError(f"`{min(unknown)}` is not known")
        return cls(
            resolution=_text(entry, "resolution", 10),
            width=_pixels(entry, "width"),
            height=_pixels(entry, "height"),
            fps=_fps(entry),
            clips=_clips(entry),
            ratio=_ratio(entry),
            needs_frame=_flag(entry, "needs_frame"),
        )


def read_native_formats(natives: Any) -> tuple[NativeFormat, ...]:
    """All of them.

    Raises:
        NativeFormatsError: naming the entry and the part at fault.
    """
    if not isinstance(natives, list) or not natives:
        raise NativeFormatsError(
            'A list such as [{"resolution": "720P", "width": 1280, "height": 720, "fps": 25, "clips": {"6": "0.43"}}] is needed.'
        )
    found: dict[tuple[str, str], NativeFormat] = {}
    for number, entry in enumerate(natives, start=1):
        try:
            native = NativeFormat.read(entry)
        except NativeFormatsError as error:
            raise NativeFormatsError(f"Entry {number}: {error}.") from None
        if (native.resolution, native.ratio) in found:
            raise NativeFormatsError(f"Entry {number}: there is a {native.resolution} {native.ratio}".rstrip() + " before it.")
        found[native.resolution, native.ratio] = native
    return tuple(found.values())


def _text(entry: dict[str, Any], name: str, characters: int) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= characters or value != value.strip() or not value.isprintable():
        raise NativeFormatsError(f"`{name}` must be text of 1 to {characters} characters, as MiniMax calls it")
    return value


def _pixels(entry: dict[str, Any], name: str) -> int:
    value = entry.get(name)
    if type(value) is not int or not SIDE_MIN <= value <= SIDE_MAX:
        raise NativeFormatsError(f"`{name}` must be a whole number of pixels, {SIDE_MIN} to {SIDE_MAX}")
    return value


def _fps(entry: dict[str, Any]) -> float:
    value = entry.get("fps")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= FPS_MAX:
        raise NativeFormatsError(f"`fps` must be frames a second, more than 0 and at most {FPS_MAX}")
    return float(value)


def _clips(entry: dict[str, Any]) -> tuple[tuple[int, Decimal], ...]:
    value = entry.get("clips")
    if not isinstance(value, dict) or not value:
        raise NativeFormatsError('`clips` must say what each length in seconds costs in USD, such as {"6": "0.28", "10": "0.56"}')
    return tuple(sorted((_seconds(seconds), _cost(seconds, cost)) for seconds, cost in value.items()))


def _seconds(text: str) -> int:
    if not _is_number(text) or text != str(int(text)) or not 0 < int(text) <= SECONDS_MAX:
        raise NativeFormatsError(f"`clips`: `{text}` is no length; whole seconds from 1 to {SECONDS_MAX} are")
    return int(text)


def _is_number(text: str) -> bool:
    """Of one or two digits: Python refuses to read one of thousands."""
    return len(text) <= 2 and text.isascii() and text.isdigit()


def _cost(seconds: str, value: Any) -> Decimal:
    try:
        cost = Decimal(str(value)) if type(value) in (str, int, float) else Decimal("NaN")
    except InvalidOperation:
        cost = Decimal("NaN")
    if not cost.is_finite() or not 0 <= cost < COST_LIMIT or cost != round(cost, COST_DECIMALS):
        raise NativeFormatsError(f'`clips`: the cost of {seconds} s must be USD with at most {COST_DECIMALS} decimals, such as "0.28"')
    return cost


def _ratio(entry: dict[str, Any]) -> str:
    ratio = entry.get("ratio", "")
    sides = ratio.split(":") if isinstance(ratio, str) else [""]
    if ratio != "" and not (len(sides) == 2 and all(_is_number(side) and int(side) > 0 for side in sides)):
        raise NativeFormatsError('`ratio` must be one that MiniMax takes, such as "9:16"')
    if ratio and (Fraction(int(sides[0]), int(sides[1])) - 1) * (entry["width"] - entry["height"]) < 0:
        raise NativeFormatsError(f"`ratio` {ratio} and {entry['width']}x{entry['height']} contradict each other")
    return str(ratio)


def _flag(entry: dict[str, Any], name: str) -> bool:
    value = entry.get(name, False)
    if not isinstance(value, bool):
        raise NativeFormatsError(f"`{name}` must be true or false")
    return value
