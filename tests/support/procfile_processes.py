"""Processes of the Procfile for tests, by its command lines, on the tests' database and Valkey."""

import os
import signal
import subprocess
from pathlib import Path

from conduit.stack.environment import for_processes
from conduit.stack.lifeline import tied
from conduit.stack.ports import free_port
from conduit.stack.procfile import read_procfile
from tests.support.databases import database_url
from tests.support.scratch import scratch

ROOT = Path(__file__).resolve().parents[2]


class ProcfileProcess:
    """One line of the Procfile, such as `worker`, started at once; `pid` is the process itself. Processes with one `home` share files."""

    def __init__(self, name: str, *, home: Path | None = None, **environment: str) -> None:
        self._log = scratch(name) / "log"
        given = {"DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "conduit.settings", "LOG_LEVEL": "INFO"}
        own = for_processes({**os.environ, **given, **environment}, home=home or self._log.parent, port=free_port())
        with self._log.open("wb") as log:
            command = tied(["/bin/sh", "-c", f"exec {read_procfile(ROOT / 'Procfile')[name]}"])
            self._process = subprocess.Popen(command, cwd=ROOT, env=own, stdout=log, stderr=log, start_new_session=True)

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
