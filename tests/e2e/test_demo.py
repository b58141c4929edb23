"""`manage.py demo`: one command, one video, and clear words when there is none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conduit.stack.ports import free_port
from tests.support.check_demo import faults
from tests.support.running import ROOT, fresh_environment


def _demo(home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    given = fresh_environment() | {"CONDUIT_HOME": str(home), "PORT": str(free_port()), "ONCE": "1"} | environment
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "demo"], cwd=ROOT, env=given, capture_output=True, text=True, timeout=120
    )


def test_a_demo_saves_a_video_of_six_seconds_and_says_where_then_stops(tmp_path: Path) -> None:
    done = _demo(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert faults(tmp_path / "demo") == []
    for word in (*map(str, (tmp_path / "demo").iterdir()), "1280x720", "condt_", "/admin/", "Demo key:", "Login:     demo / "):
        assert word in done.stdout
    assert done.stdout.count("MiniMax sandbox:") == 1
    assert os.stat(tmp_path / "demo.json").st_mode & 0o077 == 0


@pytest.mark.soak
def test_a_demo_of_another_length_and_size_saves_exactly_that(tmp_path: Path) -> None:
    done = _demo(tmp_path, DURATION="12", RESOLUTION="1080x1920", MINIMAX_TIME_SCALE="0.01")
    assert (done.returncode, done.stderr) == (0, "")
    assert faults(tmp_path / "demo", seconds=12, size="1080x1920") == []
    assert "2 clips of video-01, 720x1280, 25 fps" in done.stdout


def test_a_demo_that_asks_for_the_impossible_ends_with_the_words_of_the_api(tmp_path: Path) -> None:
    refused = _demo(tmp_path, DURATION="banana")
    assert refused.returncode == 1
    assert refused.stderr.startswith("conduit: The API refuses: ")
    assert "duration" in refused.stderr
    assert "Traceback" not in refused.stderr
