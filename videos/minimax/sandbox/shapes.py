"""How many pixels a clip has: V1 follows its first frame's ratio, V2 the ratio that it is told."""

# 512P's width is documented nowhere: 16:9, rounded to what H.264 can hold.
V1_PIXELS = {"512P": (912, 512), "720P": (1280, 720), "768P": (1366, 768), "1080P": (1920, 1080)}
# Some clips of 768P are said to be narrower by two pixels: every third one here.
_NARROW = {(1366, 768): (1364, 768)}
# What differs by less is the model's own ratio: frames of 1364 and 1366 pixels must not make a third size.
_SAME_RATIO = 0.02

# MiniMax tells those of 16:9 and 9:16; the others are as many pixels in their ratio.
V2_PIXELS = {
    # Of H3-Max alone.
    "480P": {
        "21:9": (1008, 432),
        "16:9": (864, 480),
        "4:3": (736, 544),
        "1:1": (640, 640),
        "3:4": (544, 736),
        "9:16": (480, 864),
    },
    "768P": {
        "21:9": (1568, 672),
        "16:9": (1344, 768),
        "4:3": (1152, 864),
        "1:1": (1024, 1024),
        "3:4": (864, 1152),
        "9:16": (768, 1344),
    },
    "2K": {
        "21:9": (2940, 1260),
        "16:9": (2560, 1440),
        "4:3": (2208, 1656),
        "1:1": (1920, 1920),
        "3:4": (1656, 2208),
        "9:16": (1440, 2560),
    },
}


def v1_pixels(size: str, frame: tuple[int, int] | None, *, seed: int) -> tuple[int, int]:
    """The pixels of a V1 clip in that size; `frame` are those of its first frame, `seed` is the job's own number."""
    native = V1_PIXELS[size]
    native = _NARROW.get(native, native) if seed % 3 == 0 else native
    if frame is None:
        return native
    long, short = native
    ratio = frame[0] / frame[1]
    for one in (native, (short, long)):
        if abs(ratio * one[1] / one[0] - 1) < _SAME_RATIO:
            return one
    return (round(short * ratio), short) if ratio >= 1 else (short, round(short / ratio))


def scaled(pixels: tuple[int, int], scale: int) -> tuple[int, int]:
    """A `scale`-th of each side, in even numbers as H.264 wants them."""
    width, height = (max(16, side // scale // 2 * 2) for side in pixels)
    return width, height
