"""Conduit as it runs in production: the Procfile's processes on hosts whose clocks differ, behind nginx.

PostgreSQL, Valkey and the sandbox go by the true clock. Of everything that may run more than once one is behind and one ahead.
"""

import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import psycopg
import requests

from conduit.stack.environment import for_processes
from conduit.stack.files import tail
from conduit.stack.ports import free_port
from conduit.stack.procfile import read_procfile
from conduit.stack.service import Service
from tests.support.nginx import nginx
from tests.support.postgres import Postgres
from tests.support.running import ROOT, fresh_environment
from tests.support.scratch import scratch
from tests.support.valkey import ValkeyForTests

# As long as docs/operations.md has whoever ends a web process wait for it.
END_SECONDS = 30.0
START_SECONDS, LOOK_SECONDS = 90.0, 0.1
BEHIND, AHEAD = "-1.5s", "+1.5s"
CLOCKS = {"web 1": BEHIND, "web 2": AHEAD, "worker 1": BEHIND, "worker 2": AHEAD, "media": BEHIND, "control": AHEAD, "beat": BEHIND}


class Fleet:
    """All of it, as a context manager. `url` is nginx's address; `environment` adds to what the processes are given."""

    def __init__(self, *, time_scale: str, **environment: str) -> None:
        self.home = scratch("fleet")
        self.postgres, self._valkey = Postgres(), ValkeyForTests()
        self._ports = {name: free_port() for name in ("web 1", "web 2", "sandbox")}
        self.sandbox_url = f"http://127.0.0.1:{self._ports['sandbox']}"
        self._sandbox_key = secrets.token_urlsafe(16)
        self._time_scale = time_scale
        own = {
            "CONDUIT_ENV": "production",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "DATABASE_URL": self.postgres.url("conduit"),
            "REDIS_URL": self._valkey.url,
            "PUBLIC_URL": "http://video.intranet",
            "PUBLIC_HTTP": "true",
            "ALLOWED_HOSTS": "video.intranet,127.0.0.1",
            "TRUSTED_PROXIES": "127.0.0.1",
            "MINIMAX_API_KEY": self._sandbox_key,
            "MINIMAX_BASE_URL": self.sandbox_url,
            "MINIMAX_TIME_SCALE": time_scale,
            "OUTBOUND_HTTP": "true",
            "OUTBOUND_ALLOWED": f"127.0.0.1:{self._ports['sandbox']}",
        }
        self._environment = fresh_environment() | own | environment
        self._processes: dict[str, Service] = {}
        self._started = ExitStack()
        self.url = ""

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            self._start(starting)
            self._started = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._started.close()

    def _start(self, starting: ExitStack) -> None:
        self.postgres.start()
        starting.callback(self.postgres.stop)
        self._valkey.start()
        starting.callback(self._valkey.stop)
        with psycopg.connect(self.postgres.url(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE conduit")
        self.manage("migrate", "--verbosity=0")
        starting.callback(self._stop)
        sandbox = [sys.executable, "manage.py", "sandbox", f"--port={self._ports['sandbox']}", f"--home={self.home / 'sandbox'}"]
        sandbox += [f"--time-scale={self._time_scale}", f"--api-key={self._sandbox_key}"]
        self._run("sandbox", sandbox, self._environment)
        commands = read_procfile(ROOT / "Procfile")
        for name, offset in CLOCKS.items():
            command = ["/bin/sh", "-c", f"exec {commands[name.partition(' ')[0]]}"]
            own = for_processes(self._environment, home=self.home, port=self._ports.get(name, 8000))
            self._run(name, command, own | _by_another_clock(offset))
        for name in ("web 1", "web 2"):
            self.until_ready(name)
        self.url = starting.enter_context(nginx([self._ports["web 1"], self._ports["web 2"]]))

    def restart(self, name: str) -> tuple[float, float]:
        """As a deploy does it, one web process after the other: the seconds it took to end, and to be ready again."""
        process, began = self._processes[name], time.monotonic()
        process.terminate()
        while process.ended() is None:
            assert time.monotonic() - began < END_SECONDS, f"{name} does not end:\n" + "\n".join(tail(process.log))
            time.sleep(LOOK_SECONDS)
        ended = time.monotonic()
        assert process.ended() == 0, tail(process.log)
        process.start()
        self.until_ready(name)
        return ended - began, time.monotonic() - ended

    def until_ready(self, name: str) -> None:
        """Wait until a web process says that it can serve; RuntimeError with what it says instead."""
        url, said = f"http://127.0.0.1:{self._ports[name]}/health/ready", "nothing"

        def is_ready() -> bool:
            nonlocal said
            try:
                answer = requests.get(url, timeout=2)
            except requests.RequestException:
                return False
            said = answer.text
            return answer.status_code == 200

        try:
            self.until(is_ready, START_SECONDS)
        except AssertionError:
            log = "\n".join(tail(self._processes[name].log))
            raise RuntimeError(f"{name} is not ready: {said}\nDead are {self.dead()}. Its log ends with\n{log}") from None

    def until(self, true: Callable[[], bool], seconds: float) -> None:
        """Wait until it becomes true; AssertionError when it does not."""
        until = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < until, f"not within {seconds:g} s"
            time.sleep(LOOK_SECONDS)

    def dead(self) -> list[str]:
        """The processes that do not run."""
        return [name for name, process in self._processes.items() if process.ended() is not None]

    def manage(self, *arguments: str) -> str:
        """What a management command prints. CalledProcessError when it fails."""
        command = [sys.executable, "manage.py", *arguments]
        environment = for_processes(self._environment, home=self.home, port=8000)
        return subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.postgres.url("conduit")) as connection:
            return connection.execute(statement, values).fetchall()

    def sandbox(self, what: str) -> list[dict[str, Any]]:
        """`jobs` or `log`: what was ordered at MiniMax's look-alike."""
        answer = requests.get(f"{self.sandbox_url}/sandbox/{what}", timeout=30).json()
        found: list[dict[str, Any]] = answer["data"] if isinstance(answer, dict) else answer
        return found

    def _run(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        log = self.home / f"{name.replace(' ', '-')}.log"
        self._processes[name] = Service(name, command, environment=environment, folder=ROOT, log=log)
        self._processes[name].start()

    def _stop(self) -> None:
        for process in self._processes.values():
            process.terminate()
        until = time.monotonic() + END_SECONDS
        while self.dead() != list(self._processes) and time.monotonic() < until:
            time.sleep(0.05)
        for process in self._processes.values():
            process.kill()


def _by_another_clock(offset: str) -> dict[str, str]:
    """The environment in which a process's host has a clock that is off, but runs evenly. RuntimeError without libfaketime."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        raise RuntimeError("There is no libfaketime: `make soak` installs it, or says what to install.")
    library = {"LD_PRELOAD": str(found[0]), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return library | {"PYTHONPATH": str(Path(__file__).parent / "faketime")}
