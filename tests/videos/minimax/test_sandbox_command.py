"""`manage.py sandbox`, as a person or the stack starts it: once as a process, and what it is told besides in this one."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from unittest import mock

import av
import pytest
import requests
from django.core.management import call_command, load_command_class

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


class Printed:
    """What is printed, and an event for its first line."""

    def __init__(self) -> None:
        self.text, self.has_line = "", threading.Event()

    def write(self, text: str) -> None:
        self.text += text
        if "\n" in self.text:
            self.has_line.set()

    def flush(self) -> None:
        pass


@contextmanager
def serving(home: Path, *arguments: str, **variables: str) -> Iterator[str]:
    """The command at work in this process: where it listens. SIGTERM's handler ends it."""
    said, handlers = Printed(), {}
    with mock.patch.dict(os.environ, variables), mock.patch.object(signal, "signal", handlers.__setitem__):
        given = ("sandbox", "--home", str(home), *arguments)
        thread = threading.Thread(target=call_command, args=given, kwargs={"stdout": said})
        thread.start()
        try:
            assert said.has_line.wait(60)
            yield next(word for word in said.text.replace(",", " ").split() if word.startswith("http://127.0.0.1:"))
        finally:
            handlers[signal.SIGTERM]()
            thread.join(60)
    assert not thread.is_alive()


def refused(capsys: pytest.CaptureFixture[str], home: Path, *arguments: str, **variables: str) -> tuple[object, str]:
    """The status and the words that such a command ends with."""
    with mock.patch.dict(os.environ, variables), mock.patch.object(signal, "signal"), pytest.raises(SystemExit) as ended:
        load_command_class("videos", "sandbox").run_from_argv(["manage.py", "sandbox", "--home", str(home), *arguments])
    return ended.value.code, capsys.readouterr().err


def test_a_taken_port_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with driven(tmp_path / "first") as driver:
        port = driver.sandbox.url.rpartition(":")[2]
        status, told = refused(capsys, tmp_path, "--port", port)
    assert (status, len(told.splitlines())) == (1, 1)
    assert f"port {port}" in told
    assert "Address already in use" in told


def pictures_of(home: Path, *arguments: str, **variables: str) -> list[av.VideoFrame]:
    """What such a sandbox delivers."""
    with serving(home, "--time-scale", "0", "--api-key", "mine", *arguments, **variables) as url:
        bearer = {"Authorization": "Bearer mine"}
        fields = {"model": "video-01", "prompt": "a cat"}
        task_id = requests.post(f"{url}/v1/video_generation", json=fields, headers=bearer, timeout=60).json()["task_id"]
        job = requests.get(f"{url}/v1/query/video_generation", params={"task_id": task_id}, headers=bearer, timeout=60).json()
        file = requests.get(f"{url}/v1/files/retrieve", params={"file_id": job["file_id"]}, headers=bearer, timeout=60).json()["file"]
        content = requests.get(file["download_url"], timeout=60).content
    with av.open(BytesIO(content)) as container:
        return list(container.decode(video=0))


def test_how_clips_come_out_can_be_told_as_options_or_in_the_environment(tmp_path: Path) -> None:
    by_option = pictures_of(tmp_path / "one", "--clip-scale", "8", "--frames-off", "-3", "--numbers")
    by_variable = pictures_of(tmp_path / "two", SANDBOX_CLIP_SCALE="8", SANDBOX_FRAMES_OFF="-3", SANDBOX_NUMBERS="1")
    for frames in (by_option, by_variable):
        assert (frames[0].width, len(frames), frame_numbers.read(frames[-1])) == (160, 147, 146)


@pytest.mark.parametrize("option", [("--clip-scale", "0"), ("--frames-jitter", "-1")])
def test_an_option_out_of_its_range_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], option: tuple[str, str]) -> None:
    status, told = refused(capsys, tmp_path, *option)
    assert (status, len(told.splitlines()), option[0] in told) == (1, 1, True)


def test_a_variable_that_is_no_number_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, told = refused(capsys, tmp_path, SANDBOX_CLIP_SCALE="small")
    assert status == 2
    assert "Traceback" not in told
    assert "--clip-scale: invalid int value: 'small'" in told
