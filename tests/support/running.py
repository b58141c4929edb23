"""The real stack for tests: `manage.py stack` in processes of its own, with a fresh home and a fresh database."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psycopg
import requests

from conduit.stack.lifeline import tied
from conduit.stack.ports import free_port
from tests import settings as test_settings
from tests.support.scratch import scratch

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90


class RunningStack:
    """A stack that serves. `environment` adds to or replaces what its processes are given.

    A clip takes the sandbox about 1.6 s unless MINIMAX_TIME_SCALE says otherwise.
    """

    def __init__(self, **environment: str) -> None:
        self.home = scratch("stack")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._given = fresh_environment() | {"CONDUIT_HOME": str(self.home), "PORT": str(self.port), "PUBLIC_URL": self.url} | environment
        self._output = self.home / "stack.out"
        self._process: subprocess.Popen[bytes] | None = None
        self._session = requests.Session()
        self._session.trust_env = False
        self.secret = ""

    def start(self) -> None:
        """Start it and wait until it serves. RuntimeError with what it said when it does not."""
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                tied([sys.executable, str(ROOT / "manage.py"), "stack"]),
                cwd=ROOT,
                env=self._given,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        said = self._output.stat().st_size
        until = time.monotonic() + START_SECONDS
        while b"Conduit serves at" not in self._output.read_bytes()[said:]:
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"The stack does not start:\n{self._output.read_text()}")
            time.sleep(0.05)
        self.secret = self.secret or self.manage("create_key", "tests").strip()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it by a signal and return its exit status; its home and database stay for another `start`."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(timeout=60)

    def close(self) -> None:
        """Stop whatever still runs."""
        if self._process is not None and self._process.poll() is None:
            self.stop()
        self._session.close()

    @property
    def sandbox_url(self) -> str:
        return self._run_env["MINIMAX_BASE_URL"]

    @property
    def sandbox_key(self) -> str:
        return self._run_env["MINIMAX_API_KEY"]

    @property
    def redis_url(self) -> str:
        return self._run_env["REDIS_URL"]

    def pid(self, name: str) -> int | None:
        """The process that `name` (web, worker, media, control, beat, sandbox, valkey) is now."""
        pid: int | None = json.loads((self.home / "stack.json").read_text())["processes"][name]
        return pid

    def kill(self, name: str) -> int:
        """SIGKILL one process and return its id at once; the supervisor starts it again."""
        pid = self.pid(name)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        return pid

    def until_restarted(self, name: str, killed: int) -> None:
        """Wait until `name` is another process than the one that was killed, and the stack is ready again."""
        self.until(lambda: self.pid(name) not in (None, killed))
        self.until(self.is_ready)

    def until(self, true: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until it becomes true; AssertionError when it does not within so many seconds."""
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, f"not within {seconds:g} s; the stack said:\n{self._output.read_text()}"
            time.sleep(0.05)

    def is_ready(self) -> bool:
        try:
            return self.call("GET", "/health/ready").status_code == 200
        except requests.RequestException:
            return False

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """A request with the tests' key, as any client makes it."""
        headers = {"Authorization": f"Bearer {self.secret}", **options.pop("headers", {})}
        return self._session.request(method, self.url + path, headers=headers, timeout=30, **options)

    def manage(self, *arguments: str) -> str:
        """What a management command beside the stack prints on standard output. CalledProcessError when it fails."""
        beside = {name: value for name, value in self._given.items() if value}
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        return subprocess.run(command, cwd=ROOT, env=beside, check=True, stdout=subprocess.PIPE, text=True).stdout

    @property
    def _run_env(self) -> Mapping[str, str]:
        return dict(line.split("=", 1) for line in (self.home / "run.env").read_text().splitlines())


def fresh_environment() -> dict[str, str]:
    """Nothing of the test process's own settings. Empty values are not given ones, and keep a .env from giving them."""
    source = (ROOT / "conduit" / "settings.py").read_text()
    names = set(re.findall(r'env\.\w+\(\s*"([A-Z0-9_]+)"', source))
    inherited = {name: value for name, value in os.environ.items() if name not in names}
    embedded = dict.fromkeys(("REDIS_URL", "MINIMAX_API_KEY", "MINIMAX_BASE_URL", "S3_BUCKET"), "")
    return inherited | embedded | _database() | {"DJANGO_SETTINGS_MODULE": "conduit.settings", "MINIMAX_TIME_SCALE": "0.01"}


def _database() -> dict[str, str]:
    """A new database on the tests' PostgreSQL; on SQLite the stack makes its own file."""
    if test_settings.ON_SQLITE:
        return {}
    name = f"stack_{uuid.uuid4().hex}"
    with psycopg.connect(test_settings.POSTGRES.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return {"DATABASE_URL": test_settings.POSTGRES.url(name)}
