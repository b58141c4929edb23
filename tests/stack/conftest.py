"""Stacks whose processes are small: the supervisor is real, and so is its Valkey."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conduit.stack.lifeline import tied
from conduit.stack.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PROCFILE = """
web: python -m tests.stack.site "$PORT" "$CONDUIT_HOME/site/health"
worker: python -c 'import subprocess, time; subprocess.Popen(["sleep", "1000"]); time.sleep(1000)'
beat: sleep 1000
"""


class Running:
    """A stack in a process of its own, as a person would start it."""

    def __init__(self, home: Path, procfile: str = PROCFILE, **environment: str) -> None:
        self.home = home
        self.port = int(environment.pop("PORT", free_port()))
        (home / "site").mkdir(parents=True, exist_ok=True)
        (home / "site" / "health").write_text("ok")
        (home / "Procfile").write_text(procfile)
        unset = ("REDIS_URL", "MINIMAX_BASE_URL", "CONDUIT_STACK")
        self._process = subprocess.Popen(
            tied([sys.executable, "-m", "tests.stack.fake", str(home / "Procfile")]),
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name not in unset}
            | {"CONDUIT_HOME": str(home), "PORT": str(self.port), "MINIMAX_API_KEY": "k"}
            | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.said: list[str] = []

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def roster(self) -> dict[str, int]:
        """The process id of each name, as the stack publishes it."""
        return json.loads((self.home / "stack.json").read_text())["processes"]

    def hears(self, words: str) -> str:
        """The next line of the stack that holds these words."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.append(line)
            if words in line:
                return line
        raise AssertionError(f"the stack never said {words!r}: {self.said}, {self.ends()}")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def ends(self) -> tuple[int, str]:
        """Its exit status and what it wrote on standard error."""
        _, errors = self._process.communicate(timeout=120)
        return self._process.returncode, errors

    def leaves_nothing(self) -> bool:
        """Whether every process that knows this CONDUIT_HOME is gone, waiting for the kernel to end them."""
        return eventually(lambda: not _knowing(self.home))

    def remove(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate(timeout=30)


def _knowing(home: Path) -> list[int]:
    """The processes that were started for that CONDUIT_HOME, whoever is their parent now."""
    marked = f"CONDUIT_HOME={home}\0".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            if marked in (folder / "environ").read_bytes() + b"\0":
                found.append(int(folder.name))
        except OSError:  # ended meanwhile, or somebody else's
            continue
    return found


def eventually(true: Callable[[], bool], seconds: float = 120) -> bool:
    """Whether it becomes true within so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if true():
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def run_stack(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start a stack: `run_stack(home="a", PORT="8000", …)`; what still runs at the end of the test is killed."""
    started: list[Running] = []

    def start(home: str = "home", **settings: str) -> Running:
        started.append(Running(tmp_path / home, **settings))
        return started[-1]

    yield start
    for stack in started:
        stack.remove()
