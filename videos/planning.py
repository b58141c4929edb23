"""Which clips a video is made of, and what is then done to them. A pure function of the model and the wish."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, Self

from conduit.api.errors import InvalidRequest
from videos.inputs import Input, Role, of_role
from videos.models import Api, Clip, Portrait, VideoModel
from videos.native_formats import NativeFormat, read_native_formats

# MiniMax's image model, which makes the first frame of what a video model cannot begin from text alone.
IMAGE_MODEL = "image-01"
# USD: MiniMax's price list of mid-2026, "a fraction of a cent per image".
IMAGE_COST = Decimal("0.0035")
# The ratios of its pictures that a video may begin with.
LANDSCAPE, UPRIGHT = "16:9", "9:16"

# (seconds, resolution) to how many seconds MiniMax takes for such a clip; an image has 0 seconds and no resolution.
Expected = Callable[[int, str], float]


@dataclass(frozen=True)
class PlannedClip:
    """What MiniMax is asked for: the columns of `Clip` that say so."""

    makes: str
    start: str
    api: str
    upstream: str
    seconds: int
    resolution: str
    ratio: str
    sends_size: bool
    cost: Decimal  # USD, the surcharge included
    expected_seconds: float
    inputs: list[Input] = field(default_factory=list)  # the pictures that were given for it
    surcharge: Decimal = Decimal(0)  # USD that MiniMax asks for its pictures
    watermark: bool = False


@dataclass(frozen=True)
class Plan:
    """How one video is made, fixed when its task is created."""

    clips: tuple[PlannedClip, ...]  # in their order; a first image is the first of them
    width: int  # pixels of each clip
    height: int
    fps: float
    treatment: tuple[str, ...]  # what is then done to them, in words
    further: PlannedClip | None  # what is bought when the clips turn out too short; None where the model goes on from no frame

    @property
    def cost(self) -> Decimal:
        """USD that MiniMax bills for all of it."""
        return sum((clip.cost for clip in self.clips), Decimal(0))

    @property
    def seconds(self) -> int:
        """Of all clips, as MiniMax promises them."""
        return sum(clip.seconds for clip in self.clips)

    @property
    def expected_seconds(self) -> float:
        """How long MiniMax takes for one after the other."""
        return sum(clip.expected_seconds for clip in self.clips)

    def another(self) -> PlannedClip | None:
        """The cheapest clip that goes on from the last one."""
        return self.further

    def as_json(self) -> dict[str, Any]:
        return asdict(
            self, dict_factory=lambda fields: {name: str(value) if isinstance(value, Decimal) else value for name, value in fields}
        )

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        further = stored["further"]
        return cls(
            **stored
            | {
                "clips": tuple(_clip_from_json(clip) for clip in stored["clips"]),
                "treatment": tuple(stored["treatment"]),
                "further": _clip_from_json(further) if further else None,
            }
        )


def _clip_from_json(stored: dict[str, Any]) -> PlannedClip:
    """Plans from before there were inputs name neither them nor a surcharge."""
    return PlannedClip(**stored | {name: Decimal(stored[name]) for name in ("cost", "surcharge") if name in stored})


def plan(model: VideoModel, *, duration: int, resolution: str, expected: Expected, inputs: Sequence[Input] = ()) -> Plan:
    """The plan for so many seconds at that size: a native size that is large enough where there is one, then the fewest clips,
    then the lowest cost at MiniMax.

    Clips add up to at least `duration`: what joins and short clips lack is made up at assembly, never planned. Of `inputs` a first frame
    is the first clip's, a last frame the last one's, and references are every clip's.

    Raises:
        InvalidRequest: the model cannot make a video that long, or takes no such inputs.
    """
    check_inputs(model, inputs)
    width, height = map(int, resolution.split("x"))
    possible = _ways(model, upright=height > width, begins_with_one=bool(of_role(inputs, Role.FIRST_FRAME)))
    ways = [way for way in possible if model.upstream_with_frame or duration <= way.native.longest]
    if not ways:
        raise InvalidRequest(f"`duration` may be at most {longest(model)} s: {model.name} makes no longer videos.", param="duration")
    best = min(ways, key=lambda way: way.rank(width, height, duration))
    lengths = best.lengths(duration)
    if of_role(inputs, Role.REFERENCE) and (len(lengths) > 1 or best.image_ratio or len(inputs) > len(of_role(inputs, Role.REFERENCE))):
        raise InvalidRequest("`inputs` holds references, which go with no frames, and so with no video of several clips.", param="inputs")
    clips = tuple(_clips(model, best, lengths, expected, inputs))
    further = None
    if model.upstream_with_frame:
        seconds, _ = min(best.native.clips, key=lambda clip: (clip[1], clip[0]))
        further = _clip(model, best.native, seconds, Clip.Start.PREVIOUS, expected, of_role(inputs, Role.REFERENCE))
    native = best.native
    treatment = tuple(_treatment(native, lengths, duration=duration, width=width, height=height))
    return Plan(clips, native.width, native.height, native.fps, treatment, further)


def longest(model: VideoModel) -> int | None:
    """The most seconds that the model can be asked for; None where it goes on from a frame, as often as needed."""
    return (
        None
        if model.upstream_with_frame
        else max(native.longest for native in read_native_formats(model.natives) if not native.needs_frame)
    )


def check_inputs(model: VideoModel, inputs: Sequence[Input]) -> None:
    """Raises InvalidRequest where the model takes no such pictures, or not so many."""
    for role, most in model.inputs_most.items():
        if (count := len(of_role(inputs, role))) > most:
            takes = f"takes at most {most}" if most else "takes none"
            raise InvalidRequest(f"`inputs` holds {count} of the role {role}; {model.name} {takes}.", param="inputs")


@dataclass(frozen=True)
class _Way:
    """One native size by which the video could be made, as its clips then really are, and the picture it begins from."""

    native: NativeFormat
    image_ratio: str = ""  # empty: it begins from text

    def rank(self, width: int, height: int, duration: int) -> tuple[Any, ...]:
        """Lower is better; unequal for any two ways of one model."""
        native, lengths = self.native, self.lengths(duration)
        crosses = (native.width - native.height) * (width - height) < 0
        return (
            crosses,
            max(_scale(native, width, height), Fraction(1)),
            len(lengths) + bool(self.image_ratio),
            sum(dict(native.clips)[seconds] for seconds in lengths) + (IMAGE_COST if self.image_ratio else 0),
            -_kept(native, width, height),
            sum(lengths),
            native.width * native.height,
            native.resolution,
            native.ratio,
        )

    def lengths(self, duration: int) -> tuple[int, ...]:
        return _lengths(self.native.clips, duration)


def _ways(model: VideoModel, *, upright: bool, begins_with_one: bool) -> Iterator[_Way]:
    """`begins_with_one`: a first frame was given, and none has to be made."""
    for native in read_native_formats(model.natives):
        image = _image_ratio(native) if native.needs_frame and not begins_with_one else ""
        if not image or model.upstream_with_frame:
            yield _Way(native, image)
        # A model that is told no ratio takes that of its first frame: its pixels are the same, turned.
        turns = model.portrait == Portrait.IMAGE and model.upstream_with_frame and not native.ratio and native.width > native.height
        if upright and turns:
            yield _Way(replace(native, width=native.height, height=native.width), "" if begins_with_one else UPRIGHT)


def _image_ratio(native: NativeFormat) -> str:
    return UPRIGHT if native.height > native.width else LANDSCAPE


@lru_cache(maxsize=4096)
def _lengths(clips: tuple[tuple[int, Decimal], ...], duration: int) -> tuple[int, ...]:
    """The seconds of each clip, longest first: the fewest that add up to `duration`, of these the cheapest, of these the
    ones with the least surplus, of these the most even."""
    count = -(-duration // clips[-1][0])
    # What exactly so many clips can add up to, with the best way to it: its cost, how uneven it is, and the lengths.
    sums: dict[int, tuple[Decimal, int, tuple[int, ...]]] = {0: (Decimal(0), 0, ())}
    for _ in range(count):
        longer: dict[int, tuple[Decimal, int, tuple[int, ...]]] = {}
        for total, (cost, uneven, lengths) in sums.items():
            for seconds, price in clips:
                way = (cost + price, uneven + seconds**2, tuple(sorted((*lengths, seconds), reverse=True)))
                longer[total + seconds] = min(longer.get(total + seconds, way), way)
        sums = longer
    enough = ((cost, total, uneven, lengths) for total, (cost, uneven, lengths) in sums.items() if total >= duration)
    return min(enough)[3]


def _clips(model: VideoModel, way: _Way, lengths: tuple[int, ...], expected: Expected, inputs: Sequence[Input]) -> Iterator[PlannedClip]:
    start = Clip.Start.GIVEN if of_role(inputs, Role.FIRST_FRAME) else Clip.Start.TEXT
    if way.image_ratio:
        yield PlannedClip(
            makes=Clip.Makes.IMAGE.value,
            start=Clip.Start.TEXT.value,
            api=Api.V1.value,
            upstream=IMAGE_MODEL,
            seconds=0,
            resolution="",
            ratio=way.image_ratio,
            sends_size=False,
            cost=IMAGE_COST,
            expected_seconds=expected(0, ""),
        )
        start = Clip.Start.PREVIOUS
    for number, seconds in enumerate(lengths, start=1):
        own = of_role(inputs, Role.FIRST_FRAME) if number == 1 else []
        own = own + (of_role(inputs, Role.LAST_FRAME) if number == len(lengths) else [])
        yield _clip(model, way.native, seconds, start, expected, own + of_role(inputs, Role.REFERENCE))
        start = Clip.Start.PREVIOUS


def _clip(model: VideoModel, native: NativeFormat, seconds: int, start: Clip.Start, expected: Expected, inputs: list[Input]) -> PlannedClip:
    dear = model.surcharged(len(inputs) + (start == Clip.Start.PREVIOUS))
    surcharge = Decimal(model.image_cost) * dear if dear else Decimal(0)
    return PlannedClip(
        makes=Clip.Makes.VIDEO.value,
        start=start.value,
        api=str(model.api),
        upstream=model.upstream if start == Clip.Start.TEXT else model.upstream_with_frame,
        seconds=seconds,
        resolution=native.resolution,
        ratio=native.ratio if model.takes_ratio else "",
        sends_size=model.sends_size,
        cost=dict(native.clips)[seconds] + surcharge,
        expected_seconds=expected(seconds, native.resolution),
        inputs=inputs,
        surcharge=surcharge,
        watermark=model.watermark,
    )


def _scale(native: NativeFormat, width: int, height: int) -> Fraction:
    """By which the native picture is scaled so that it covers the asked one."""
    return max(Fraction(width, native.width), Fraction(height, native.height))


def _kept(native: NativeFormat, width: int, height: int) -> Fraction:
    """The share of the native picture that is left when it is cropped to the asked ratio."""
    return Fraction(width * height, native.width * native.height) / _scale(native, width, height) ** 2


def _treatment(native: NativeFormat, lengths: tuple[int, ...], *, duration: int, width: int, height: int) -> Iterator[str]:
    """What assembly is going to do, should the clips come as promised."""
    if len(lengths) > 1:
        yield f"{len(lengths)} clips joined"
    if sum(lengths) > duration:
        yield f"trimmed from {sum(lengths)} s to {duration} s"
    if (kept := _kept(native, width, height)) < 1:
        yield f"{float(1 - kept) * 100:.2g} % of the picture cropped"
    if (scale := _scale(native, width, height)) != 1:
        yield f"scaled {'up' if scale > 1 else 'down'} to {float(scale):.1%}"
    if len(lengths) == 1 and sum(lengths) == duration and kept == scale == 1:
        yield "delivered as it came"
