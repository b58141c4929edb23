"""What is wished for and what came of it, in plain numbers: pixels, seconds, bytes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """What a clip from upstream really is. Its size is the one that a player shows: upright, in square pixels.

    `frames` is what it gives at the constant rate `fps`; `seconds` is the one divided by the other, to three decimals as `fps` is.
    """

    width: int
    height: int
    fps: float
    frames: int
    seconds: float
    has_audio: bool
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for. Sizes in pixels, both even."""

    width: int
    height: int
    seconds: int


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What a finished file really is. Sizes in pixels and bytes; `fps` is frames divided by seconds, to three decimals.

    `speed` is 1.0, or lower when too few frames were spread over the asked length: what took 1 s in the clips takes 1 / speed.
    """

    width: int
    height: int
    fps: float
    duration_seconds: float
    frames: int
    has_audio: bool
    size_bytes: int
    thumbnail_bytes: int
    speed: float
