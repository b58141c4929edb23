"""Processes of the Procfile for tests, by its command lines, on the tests' database and Valkey."""

import os
import signal
import subprocess
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path

from conduit.stack.environment import for_processes
from conduit.stack.ports import free_port
from conduit.stack.procfile import read_procfile
from tests.support import nursery
from tests.support.databases import database_url
from tests.support.scratch import scratch

ROOT = Path(__file__).resolve().parents[2]


def words_of(line: str, environment: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """A command of the Procfile as the shell reads it, and its environment, with what `env` adds."""
    said = subprocess.run(["/bin/sh", "-c", f"printf '%s\\0' {line}"], env=environment, capture_output=True, check=True)
    words = said.stdout.decode().split("\0")[:-1]
    if words[0] != "env":
        return words, dict(environment)
    own = list(takewhile(lambda word: "=" in word, words[1:]))
    return words[len(own) + 1 :], {**environment, **dict(word.split("=", 1) for word in own)}


class ProcfileProcess:
    """One line of the Procfile, such as `worker`, started at once; `pid` is the process itself. Processes with one `home` share files."""

    def __init__(self, name: str, *, home: Path | None = None, **environment: str) -> None:
        self._log = scratch(name) / "log"
        given = {"DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "conduit.settings", "LOG_LEVEL": "INFO"}
        own = for_processes({**os.environ, **given, **environment}, home=home or self._log.parent, port=free_port())
        self._log.touch()
        self._process = nursery.start(*words_of(read_procfile(ROOT / "Procfile")[name], own), self._log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end. Again is fine."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self._process.wait(timeout=90)

    def kill(self) -> None:
        """End it at once, as a crash would, with what it has started."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=90)
