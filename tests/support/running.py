"""The real stack for tests: `manage.py stack` in processes of its own, with a fresh home and a fresh database."""

import copy
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

import psycopg
import requests

from conduit.stack.lifeline import tied
from conduit.stack.ports import free_port
from tests import settings as test_settings
from tests.support import nursery
from tests.support.scratch import scratch

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS, MANAGE_SECONDS = 240, 600
# Each look at a stack takes processor time from what is looked at: often at first, and then less and less often.
LOOK_SECONDS, LOOK_SECONDS_MAX = 0.05, 0.25


class RunningStack:
    """A stack that serves. `environment` adds to or replaces what its processes are given. `sqlite` leaves the database to it;
    else it finds a copy of the run's migrated one, if anybody had that made.

    A clip takes the sandbox about 1.6 s unless MINIMAX_TIME_SCALE says otherwise, and is an eighth as wide and high as MiniMax's, which
    draws in a tenth of the time, unless SANDBOX_CLIP_SCALE does: what is delivered has the size that was asked for all the same.
    """

    def __init__(self, *, sqlite: bool = False, **environment: str) -> None:
        self.home = scratch("stack")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database_url = f"sqlite:///{self.home / 'db.sqlite3'}" if sqlite else self._new_database()
        own = {"CONDUIT_HOME": str(self.home), "DATABASE_URL": self.database_url, "PORT": str(self.port), "PUBLIC_URL": self.url}
        own["UNKNOWN_SECRETS_PER_MINUTE"] = "1000000"  # all who share it come from one address
        self._given = fresh_environment() | own | environment
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
        return self._process.wait(timeout=120)

    def close(self) -> None:
        """Stop whatever still runs. AssertionError when it does not stop as it should."""
        self._session.close()
        if self._process is not None and self._process.poll() is None:
            assert self.stop() == 0, self._output.read_text()

    def for_another_key(self) -> Self:
        """This stack as somebody else sees it, with a key that has no history."""
        other = copy.copy(self)
        other.secret = self.manage("create_key", "somebody else").strip()
        return other

    @property
    def sandbox_url(self) -> str:
        return self._run_env["MINIMAX_BASE_URL"]

    @property
    def outbound_allowed(self) -> str:
        return self._run_env["OUTBOUND_ALLOWED"]

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

    def until(self, true: Callable[[], bool], seconds: float = 240, *, every: float | None = None) -> None:
        """Wait until it becomes true, looking `every` so many seconds; AssertionError when it does not within `seconds`."""
        began = time.monotonic()
        while not true():
            waited = time.monotonic() - began
            assert waited < seconds, f"not within {seconds:g} s; the stack said:\n{self._output.read_text()}"
            time.sleep(every or min(LOOK_SECONDS_MAX, LOOK_SECONDS + waited / 20))

    def is_ready(self) -> bool:
        try:
            return self.call("GET", "/health").status_code == 200
        except requests.RequestException:
            return False

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """A request with the tests' key, as any client makes it."""
        headers = {"Authorization": f"Bearer {self.secret}", **options.pop("headers", {})}
        return self._session.request(method, self.url + path, headers=headers, timeout=90, **options)

    def create(self, prompt: str, **wanted: object) -> str:
        """The task of a second of the smallest video: a larger one takes seconds of processor time and seldom shows anything else."""
        small = {"model": "minimax-video", "prompt": prompt, "duration": 1, "resolution": "720x480"}
        answer = self.call("POST", "/v1/video/generations", json=small | wanted)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["task_id"])

    @property
    def beside(self) -> dict[str, str]:
        """The environment of whoever works beside the stack."""
        return {name: value for name, value in self._given.items() if value}

    def manage(self, *arguments: str, **environment: str) -> str:
        """What a management command beside the stack prints on standard output. CalledProcessError when it fails."""
        beside = {name: value for name, value in (self.beside | environment).items() if value}
        process = nursery.run([sys.executable, str(ROOT / "manage.py"), *arguments], beside, seconds=MANAGE_SECONDS)
        print(process.stderr, file=sys.stderr)
        process.check_returncode()
        return process.stdout

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows that a statement on the stack's database gives, with `%s` for each value: a command beside it takes a second."""
        if self.database_url.startswith("sqlite:"):
            with closing(sqlite3.connect(self.home / "db.sqlite3", timeout=20)) as connection, connection:
                return connection.execute(statement.replace("%s", "?"), values).fetchall()
        with psycopg.connect(self.database_url) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def demo(self, **environment: str) -> "subprocess.CompletedProcess[str]":
        """`manage.py demo` with ONCE, on this stack's home and port, while the stack does not run."""
        command = [sys.executable, str(ROOT / "manage.py"), "demo"]
        given = {name: value for name, value in self._given.items() if name != "PUBLIC_URL"} | {"ONCE": "1"} | environment
        return subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=600, check=False)

    def _new_database(self) -> str:
        if test_settings.ON_SQLITE:
            file = self.home / "db.sqlite3"
            test_settings.PREPARED.copy(file)
            return f"sqlite:///{file}"
        name = f"stack_{uuid.uuid4().hex}"
        test_settings.PREPARED.copy(name)
        return test_settings.POSTGRES.url(name)

    @property
    def _run_env(self) -> Mapping[str, str]:
        return dict(line.split("=", 1) for line in (self.home / "run.env").read_text().splitlines())


def fresh_environment() -> dict[str, str]:
    """Nothing of the test process's own settings. Empty values are not given ones, and keep a .env from giving them."""
    source = (ROOT / "conduit" / "settings.py").read_text()
    names = set(re.findall(r'env\.\w+\(\s*"([A-Z0-9_]+)"', source))
    inherited = {name: value for name, value in os.environ.items() if name not in names}
    embedded = dict.fromkeys(("REDIS_URL", "MINIMAX_API_KEY", "MINIMAX_BASE_URL", "S3_BUCKET"), "")
    return inherited | embedded | {"DJANGO_SETTINGS_MODULE": "conduit.settings", "MINIMAX_TIME_SCALE": "0.01", "SANDBOX_CLIP_SCALE": "8"}


@contextmanager
def running(**environment: str) -> Iterator[RunningStack]:
    """A stack for as long as the context lasts."""
    stack = RunningStack(**environment)
    try:
        stack.start()
        yield stack
    finally:
        stack.close()
