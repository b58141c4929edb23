"""A web process of its own for tests: daphne by the Procfile's command line, on the tests' database and Valkey."""

import os
import signal
import time
from pathlib import Path

import requests

from conduit.stack.environment import for_processes
from conduit.stack.ports import free_port
from conduit.stack.procfile import read_procfile
from tests.support import nursery
from tests.support.databases import database_url
from tests.support.procfile_processes import words_of
from tests.support.scratch import scratch

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 180.0
APPLICATION = "conduit.asgi:application"


class Web:
    """One daphne process. `environment` adds to the tests' own; `port` is its own, and `application` the product's, unless given.

    `descriptors`: how many it may have. This process's own limit stays what it is: it may hold more than that already.
    """

    def __init__(
        self, *, port: int | None = None, application: str = APPLICATION, descriptors: int | None = None, **environment: str
    ) -> None:
        self.port = port or free_port()
        self._application = application
        self._descriptors = descriptors
        self.url = f"http://127.0.0.1:{self.port}"
        self._home = scratch("web")
        self._log = self._home / "web.log"
        given = {"DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "conduit.settings", "BIND": "127.0.0.1", "LOG_LEVEL": "INFO"}
        self._environment = for_processes({**os.environ, **given, **environment}, home=self._home, port=self.port)
        self._process: nursery.Started | None = None

    def start(self) -> "Web":
        """Start it and wait until it answers; RuntimeError with its log when it does not."""
        command = read_procfile(ROOT / "Procfile")["web"].replace(APPLICATION, self._application)
        self._process = nursery.start(*words_of(command, self._environment), self._log, descriptors=self._descriptors)
        until = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"The web process does not start:\n{self.log}")
            time.sleep(0.05)
        return self

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def lines(self) -> list[str]:
        """Of its log, those that are written whole."""
        return self.log.rpartition("\n")[0].splitlines()

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end. Again is fine."""
        assert self._process
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait for its end; the exit status."""
        assert self._process
        return self._process.wait(timeout=90)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.stop(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end, and do not wait."""
        assert self._process
        self._process.terminate()

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/health/live", timeout=5).status_code == 200
        except requests.RequestException:
            return False
