"""Decode what `make demo` saved: `python -m tests.support.check_demo FOLDER [SECONDS WIDTHxHEIGHT]`.

Exit status 0 when it is that video.
"""

import sys
from pathlib import Path

import av

# What is asked for when DURATION and RESOLUTION are not set.
SECONDS, SIZE = 6, "1280x720"


def faults(folder: Path, *, seconds: float = SECONDS, size: str = SIZE) -> list[str]:
    """What is wrong with the one MP4 and the one JPEG in `folder`."""
    videos, thumbnails = sorted(folder.glob("*.mp4")), sorted(folder.glob("*.jpg"))
    if len(videos) != 1 or len(thumbnails) != 1:
        return [f"{folder} holds {len(videos)} MP4 and {len(thumbnails)} JPEG files, not one of each"]
    return faults_of_video(videos[0], seconds, size) + _faults_of_thumbnail(thumbnails[0], size)


def faults_of_video(path: Path, seconds: float, size: str) -> list[str]:
    """What is wrong with one MP4."""
    found = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = sum(1 for _ in container.decode(stream))
        rate = float(stream.average_rate or 1)
        made = f"{stream.codec_context.name} {stream.width}x{stream.height} {stream.codec_context.pix_fmt}"
        if made != f"h264 {size} yuv420p":
            found.append(f"the video is {made}, not h264 {size} yuv420p")
        if stream.sample_aspect_ratio not in (None, 0, 1):
            found.append(f"its pixels are {stream.sample_aspect_ratio}, not square")
        if abs(frames / rate - seconds) * rate > 1:
            found.append(f"the video decodes to {frames / rate:.2f} s, not {seconds:g} s")
    return found


def _faults_of_thumbnail(path: Path, size: str) -> list[str]:
    width, height = map(int, size.split("x"))
    with av.open(str(path)) as container:
        picture = next(container.decode(video=0))
    if abs(picture.width * height - picture.height * width) > max(width, height):  # rounded to whole pixels
        return [f"the thumbnail is {picture.width}x{picture.height}, which is not the ratio of {size}"]
    return []


def _main(folder: str, seconds: str = str(SECONDS), size: str = SIZE) -> int:
    problems = faults(Path(folder), seconds=float(seconds), size=size)
    for problem in problems:
        print(f"demo: {problem}", file=sys.stderr)
    print(f"demo: one video of {seconds} s at {size}" if not problems else "demo: not as it should be")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
