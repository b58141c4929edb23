"""`manage.py sandbox`, as a person or the stack starts it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import requests

from tests.videos.minimax.sandbox_driver import driven

ROOT = Path(__file__).parents[3]


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {"CONDUIT_HOME": str(home), "CONDUIT_ENV": "development", "DJANGO_SETTINGS_MODULE": "conduit.settings"}
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
        answer = requests.post(f"{url}/v1/video_generation", json=fields, headers={"Authorization": "Bearer mine"}, timeout=10).json()
        (job,) = requests.get(f"{url}/sandbox/jobs", timeout=10).json()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert answer["task_id"] == job["task_id"]
    assert 76 <= job["seconds"] <= 84
    assert (tmp_path / "own" / "jobs.jsonl").exists()


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with driven(tmp_path / "first") as minimax:
        port = minimax.sandbox.url.rpartition(":")[2]
        with start(tmp_path, "--port", port) as process:
            _, told = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Traceback" not in told
    assert f"port {port}" in told
    assert "Address already in use" in told
