"""The hardest pictures to encode: noise of which no frame repeats another."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.videos.media.test_full_size import measured
from videos.media.framing import graph

WIDTH, HEIGHT, FPS, FRAMES = 720, 1280, 25, 150


def noise() -> Iterator[av.VideoFrame]:
    """Moving shapes under strong film grain."""
    source = graph(
        f"testsrc2=size={WIDTH}x{HEIGHT}:rate={FPS}",
        f"zoompan=z=1.3:x='iw*0.1+on':y='ih*0.1+on/2':d=1:s={WIDTH}x{HEIGHT}:fps={FPS}",
        "gblur=sigma=2",
        "noise=alls=14:allf=t",
        "format=yuv420p",
        "buffersink",
    )
    for _ in range(FRAMES):
        yield source.vpull()


def noisy_clip(path: Path) -> Path:
    """Six seconds at 20 Mb/s: more than any model sends."""
    with av.open(str(path), "w") as target:
        options = {"preset": "veryfast", "crf": "18", "maxrate": "20M", "bufsize": "20M"}
        out = target.add_stream("libx264", rate=FPS, width=WIDTH, height=HEIGHT, pix_fmt="yuv420p", options=options)
        for number, frame in enumerate(noise()):
            frame.pts, frame.time_base, frame.pict_type = number, Fraction(1, FPS), 0
            target.mux(out.encode(frame))
        target.mux(out.encode(None))
    return path


@pytest.mark.soak
def test_a_minute_of_noise_at_1080x1920_takes_two_cores_less_than_a_minute(tmp_path):
    clip = noisy_clip(tmp_path / "noise.mp4")

    made = measured(tmp_path, [clip] * 10, (1080, 1920, 60))

    print({name: round(value, 1) for name, value in made.items()})
    assert made["size_bytes"] * 8 / 60 > 15e6  # it was noise
    assert made["cpu"] < 2 * 60  # of two processors; the clock would measure who else is at work
    assert made["megabytes"] < 600
