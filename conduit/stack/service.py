"""One process of the stack: started, watched, started again, stopped."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from conduit.stack.files import open_log
from conduit.stack.lifeline import tied

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
# A process that ran this long was well: its next death starts the pauses anew.
STEADY_SECONDS = 60.0


class Service:
    """A process in a session of its own, so that Ctrl-C in the terminal reaches the supervisor alone."""

    def __init__(self, name: str, command: Sequence[str], *, environment: Mapping[str, str], folder: Path, log: Path) -> None:
        self.name = name
        self.log = log
        self.deaths = 0
        self._command = command
        self._environment = environment
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        with open_log(self.log) as log:
            self._process = subprocess.Popen(  # noqa: S603 - commands of the Procfile and our own
                tied(self._command),
                env=dict(self._environment),
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started_at = time.monotonic()

    def ended(self) -> int | None:
        """The exit status once the process has ended (negative: the signal that killed it), else None."""
        if self._process is None:
            return None
        status = self._process.poll()
        if status is not None:
            self._kill_group(self._process.pid)
        return status

    def pause_before_restart(self) -> float:
        """Count a death, and say how long to wait before the next start, in seconds."""
        if time.monotonic() - self._started_at > STEADY_SECONDS:
            self.deaths = 0
        self.deaths += 1
        self._process = None
        return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** (self.deaths - 1))

    def terminate(self) -> None:
        """Ask it to end. Only the leader is asked: it takes its own children down in its own order."""
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """End it and everything that it started, at once."""
        if self._process is not None and self._process.returncode is None:
            self._kill_group(self._process.pid)
            self._process.wait()

    @staticmethod
    def _kill_group(leader: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGKILL)


def in_words(status: int) -> str:
    """How a process ended, for the terminal."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"
