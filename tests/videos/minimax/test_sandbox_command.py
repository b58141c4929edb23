"""`manage.py sandbox`, as a person or the stack starts it."""

import os
import signal
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import av
import pytest
import requests

from tests.support import frame_numbers
from tests.videos.minimax.sandbox_driver import driven

ROOT = Path(__file__).parents[3]


def start(home: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    environment = (
        os.environ | variables | {"CONDUIT_HOME": str(home), "CONDUIT_ENV": "development", "DJANGO_SETTINGS_MODULE": "conduit.settings"}
    )
    return subprocess.Popen(
        [sys.executable, "manage.py", "sandbox", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )


def test_it_says_where_it_listens_serves_with_its_arguments_and_ends_on_sigterm(tmp_path: Path) -> None:
    with start(tmp_path, "--home", str(tmp_path / "own"), "--time-scale", "0.5", "--api-key", "mine") as process:
        assert process.stdout
        url = next(word for word in process.stdout.readline().replace(",", " ").split() if word.startswith("http://127.0.0.1:"))
        fields = {"model": "video-01", "prompt": "a cat [sandbox: stuck]"}
        answer = requests.post(f"{url}/v1/video_generation", json=fields, headers={"Authorization": "Bearer mine"}, timeout=60).json()
        (job,) = requests.get(f"{url}/sandbox/jobs", timeout=60).json()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert answer["task_id"] == job["task_id"]
    assert 76 <= job["seconds"] <= 84
    assert (tmp_path / "own" / "jobs.jsonl").exists()


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with driven(tmp_path / "first") as driver:
        port = driver.sandbox.url.rpartition(":")[2]
        with start(tmp_path, "--port", port) as process:
            _, told = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Traceback" not in told
    assert f"port {port}" in told
    assert "Address already in use" in told


def pictures_of(home: Path, *arguments: str, **variables: str) -> list[av.VideoFrame]:
    """What such a sandbox delivers."""
    with start(home, "--time-scale", "0", "--api-key", "mine", *arguments, **variables) as process:
        assert process.stdout
        url = next(word for word in process.stdout.readline().replace(",", " ").split() if word.startswith("http://127.0.0.1:"))
        bearer = {"Authorization": "Bearer mine"}
        fields = {"model": "video-01", "prompt": "a cat"}
        task_id = requests.post(f"{url}/v1/video_generation", json=fields, headers=bearer, timeout=60).json()["task_id"]
        job = requests.get(f"{url}/v1/query/video_generation", params={"task_id": task_id}, headers=bearer, timeout=60).json()
        file = requests.get(f"{url}/v1/files/retrieve", params={"file_id": job["file_id"]}, headers=bearer, timeout=60).json()["file"]
        content = requests.get(file["download_url"], timeout=60).content
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    with av.open(BytesIO(content)) as container:
        return list(container.decode(video=0))


def test_how_clips_come_out_can_be_told_as_options_or_in_the_environment(tmp_path: Path) -> None:
    by_option = pictures_of(tmp_path / "one", "--clip-scale", "8", "--frames-off", "-3", "--numbers")
    by_variable = pictures_of(tmp_path / "two", SANDBOX_CLIP_SCALE="8", SANDBOX_FRAMES_OFF="-3", SANDBOX_NUMBERS="1")
    for frames in (by_option, by_variable):
        assert (frames[0].width, len(frames), frame_numbers.read(frames[-1])) == (160, 147, 146)


@pytest.mark.parametrize("option", [("--clip-scale", "0"), ("--frames-jitter", "-1")])
def test_an_option_out_of_its_range_is_one_clear_line(tmp_path: Path, option: tuple[str, str]) -> None:
    with start(tmp_path, *option) as process:
        _, told = process.communicate(timeout=120)
    assert (process.returncode, option[0] in told, "Traceback" in told) == (1, True, False)


def test_a_variable_that_is_no_number_is_one_clear_line(tmp_path: Path) -> None:
    with start(tmp_path, SANDBOX_CLIP_SCALE="small") as process:
        _, told = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "Traceback" not in told
    assert "--clip-scale: invalid int value: 'small'" in told
