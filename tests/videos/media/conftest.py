from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support.real_clips import Clip, write
from tests.videos.media.making import Made
from videos.media.facts import Target


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Made]:
    """`made(clip, …, wish=(width, height, seconds))`: real clips, or files that are there already, put together."""

    def make(*clips: Clip | Path, wish: Sequence[int]) -> Made:
        paths = [clip if isinstance(clip, Path) else write(tmp_path / f"source{index}.mp4", clip) for index, clip in enumerate(clips)]
        return Made(tmp_path, paths, Target(*wish))

    return make
