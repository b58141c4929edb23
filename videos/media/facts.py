"""What is wished for and what came of it, in plain numbers: pixels, seconds, bytes."""

from dataclasses import dataclass

# Shares of the length that was ordered: how short a clip may be that has that share of the pictures, and how long any may be.
SHORTEST_COMPLETE, MOST_PICTURES, LONGEST = 0.75, 0.9, 2.0
# Pictures in a second: a little more than 60, because lengths are rounded.
FASTEST = 66


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """What a clip from upstream really is. Its size is the one that a player shows: upright, in square pixels.

    `frames` is what it gives at the constant rate `fps`; `seconds` is the one divided by the other, to three decimals as `fps` is.
    `pictures` are those in the file, however long its headers show them and also if they hide them.
    """

    width: int
    height: int
    fps: float
    frames: int
    seconds: float
    pictures: int
    has_audio: bool
    size_bytes: int

    def may_last(self, ordered_seconds: int, ordered_fps: float) -> bool:
        """Whether a clip that was to last so long at that rate may be as short, or long, as this one says it is.

        Short ones come, and are made up for. But one that has the pictures and says that they are over sooner, shows more of them in
        a second than any model makes, or lasts far longer, has headers that cannot be right.
        """
        complete = self.pictures >= MOST_PICTURES * ordered_seconds * ordered_fps
        shortest = SHORTEST_COMPLETE * ordered_seconds if complete else 0.0
        return max(shortest, self.pictures / FASTEST) <= self.seconds <= LONGEST * ordered_seconds


@dataclass(frozen=True, slots=True)
class Target:
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


@dataclass(frozen=True, slots=True)
class SheetFacts:
    """What a sheet of pictures is, in pixels and bytes."""

    width: int
    height: int
    size_bytes: int
