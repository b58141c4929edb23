"""At the size of the real thing: memory does not grow with the length, and an assembly is faster than its video plays."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.support.frame_numbers import read, rise_by_one
from tests.support.real_clips import Clip
from tests.videos.media.making import chain

ROOT = Path(__file__).resolve().parents[3]
V01 = Clip(width=1280, height=720, fps=Fraction(25), encoder={"preset": "ultrafast", "bf": "2"})
H3 = Clip(width=768, height=1344, fps=Fraction(24), sound="aac", encoder={"preset": "ultrafast", "bf": "2"})


def measured(folder: Path, clips: Sequence[Path], wish: tuple[int, int, int]) -> dict[str, float]:
    """An assembly's facts, and the seconds and megabytes that its child took."""
    script = (
        "import json, resource, sys, time; from pathlib import Path; from dataclasses import asdict\n"
        "from videos.media import child; from videos.media.facts import Target\n"
        "order = json.loads(sys.argv[1]); began = time.monotonic()\n"
        "facts = child.assemble(child.ChildLimits(seconds=900, cpu_seconds=900), [Path(clip) for clip in order['clips']],\n"
        "                 Target(*order['wish']), Path(order['folder'], 'video.mp4'),\n"
        "                 Path(order['folder'], 'thumbnail.jpg'), on_progress=lambda share: None)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(json.dumps(asdict(facts) | {'wall': time.monotonic() - began, 'cpu': used.ru_utime + used.ru_stime,\n"
        "                                  'megabytes': used.ru_maxrss / 1024}))\n"
    )
    order = json.dumps({"clips": [str(clip) for clip in clips], "wish": wish, "folder": str(folder)})
    answer = subprocess.run([sys.executable, "-c", script, order], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    return json.loads(answer)


def numbers_in(video: Path, clip: Clip) -> list[int | None]:
    """One after the other: a minute of decoded pictures is 4 GB."""
    with av.open(str(video)) as file:
        return [read(frame, (clip.width, clip.height)) for frame in file.decode(video=0)]


def test_memory_does_not_grow_with_the_length(tmp_path):
    """Of pictures of half a megabyte, six seconds more would be 80 MB if they were kept; the encoder's own few fill the shorter one too."""
    small = replace(H3, width=128, height=72, frames=107)
    (tmp_path / "short").mkdir()
    (tmp_path / "long").mkdir()
    short = measured(tmp_path, chain(tmp_path / "short", small, [107]), (720, 480, 4))
    long = measured(tmp_path, chain(tmp_path / "long", small, [107, 150]), (720, 480, 10))
    assert long["megabytes"] < short["megabytes"] + 40


@pytest.mark.parametrize(
    ("clip", "wish"),
    [
        (V01, (1080, 1920, 1)),
        (H3, (1080, 1920, 1)),
        pytest.param(V01, (1920, 1080, 1), marks=pytest.mark.soak),  # larger and upright or smaller is more than larger
        (V01, (720, 480, 1)),
    ],
)
def test_numbered_frames_rise_by_one_at_full_size(tmp_path, clip, wish):
    made = measured(tmp_path, chain(tmp_path, clip, [15, 15]), wish)
    numbers = numbers_in(tmp_path / "video.mp4", clip)
    assert (made["width"], made["height"], numbers[0]) == (*wish[:2], 0)
    assert rise_by_one(numbers)
    assert made["megabytes"] < 600


@pytest.mark.soak
@pytest.mark.parametrize(("clip", "frames"), [(V01, [150] * 10), (H3, [362] * 4)], ids=["video-01", "minimax-h3"])
def test_a_minute_of_1080x1920_takes_less_than_a_minute_and_less_than_600_megabytes(tmp_path, clip, frames):
    made = measured(tmp_path, chain(tmp_path, clip, frames), (1080, 1920, 60))
    print({name: round(value, 1) for name, value in made.items()})
    assert made["megabytes"] < 600
    assert made["cpu"] < 2 * 60  # of two processors; the clock would measure who else is at work
    numbers = numbers_in(tmp_path / "video.mp4", clip)
    assert len(numbers) == made["frames"]
    assert rise_by_one(numbers)
