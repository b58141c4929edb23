"""Decode what `make demo` saved: `python -m tests.support.check_demo FOLDER`. Exit status 0 when it is the video it should be."""

import sys
from pathlib import Path

import av


def faults(folder: Path) -> list[str]:
    """What is wrong with the one MP4 and the one JPEG in `folder`."""
    videos, thumbnails = sorted(folder.glob("*.mp4")), sorted(folder.glob("*.jpg"))
    if len(videos) != 1 or len(thumbnails) != 1:
        return [f"{folder} holds {len(videos)} MP4 and {len(thumbnails)} JPEG files, not one of each"]
    found = []
    with av.open(str(videos[0])) as container:
        stream = container.streams.video[0]
        frames = sum(1 for _ in container.decode(stream))
        seconds = frames / float(stream.average_rate or 1)
        if (stream.codec_context.name, stream.width, stream.height) != ("h264", 1280, 720):
            found.append(f"the video is {stream.codec_context.name} {stream.width}x{stream.height}, not h264 1280x720")
        if abs(seconds - 6) > 0.05:
            found.append(f"the video decodes to {seconds:.2f} s, not 6 s")
    with av.open(str(thumbnails[0])) as container:
        if next(container.decode(video=0)).width <= 0:
            found.append("the thumbnail does not decode")
    return found


if __name__ == "__main__":
    problems = faults(Path(sys.argv[1]))
    for problem in problems:
        print(f"demo: {problem}", file=sys.stderr)
    print("demo: one video of 6 s at 1280x720" if not problems else "demo: not as it should be")
    sys.exit(bool(problems))
