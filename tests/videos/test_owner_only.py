"""Files of people's videos are their owner's alone, whatever the umask of who stores them."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from videos import rendering
from videos.media import child


@pytest.fixture(autouse=True)
def careless() -> Iterator[None]:
    """A umask that gives everything to everybody."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_stored_files_and_their_folders_are_closed_to_others(media):
    default_storage.save("tasks/one/video.mp4", ContentFile(b"a video"))
    assert mode(media / "tasks" / "one" / "video.mp4") == 0o600
    assert {mode(media / "tasks" / "one"), mode(media / "tasks")} == {0o700}


def test_scratch_files_lie_where_others_cannot_look(media, settings, monkeypatch):
    seen = list[int]()
    monkeypatch.setattr(child, "probe", lambda limits, clip, **_: seen.extend([mode(clip.parent), mode(clip.parent.parent)]))
    name = default_storage.save("tasks/one/clip.mp4", ContentFile(b"a clip"))
    rendering.probe_clip(task_id=uuid4(), clip_file=name, token=uuid4(), wants_frame=False)
    assert seen == [0o700, 0o700]
