"""The embedded stack: everything that one machine needs to serve, started in order and stopped in order."""

import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import requests

from conduit.stack.environment import for_processes, wanted_port
from conduit.stack.errors import CannotStart
from conduit.stack.files import HomeLock, private_folder, tail, write_private
from conduit.stack.ports import free_port, require_free
from conduit.stack.procfile import read_procfile
from conduit.stack.service import Service
from conduit.stack.supervisor import GRACE_SECONDS, Supervisor
from conduit.stack.valkey import Valkey, answers
from conduit.tree import TREE

READY_SECONDS = 90.0
# A process that keeps ending while the stack starts will not be better the next time.
DEATHS_BEFORE_GIVING_UP = 3
# What takes a video and makes it. The others start when the web process answers: all at once, none would for twice as long.
FIRST = ("web", "worker", "media")
SANDBOX_LINE = (
    "MiniMax sandbox: no MINIMAX_API_KEY is set, so videos are made by the built-in look-alike at {url} and cost nothing there. "
    "Set MINIMAX_API_KEY for real ones."
)


class Stopped(Exception):
    """The stack was asked to stop while something waited for it."""


@dataclass(frozen=True)
class Plan:
    """What to run, and where. Commands are the project's own unless a test says otherwise."""

    home: Path
    environment: Mapping[str, str]
    procfile: Path = TREE / "Procfile"
    preparation: Sequence[str] = field(default_factory=lambda: manage("migrate", "--noinput"))
    is_prepared: Callable[[], bool] = lambda: False  # asked at the start: whether the preparation would change nothing
    # The host that clients name: it is among ALLOWED_HOSTS, which the loopback address need not be.
    host_header: str | None = None
    ready_seconds: float = READY_SECONDS
    grace_seconds: float = GRACE_SECONDS


def manage(*arguments: str) -> list[str]:
    """The command line of a management command under this interpreter."""
    return [sys.executable, "-m", "conduit", *arguments]


@dataclass
class _Expected:
    """What the web process answers with 200 when the start is so far; no path before it runs. Moments are monotonic seconds."""

    path: str | None
    until: float
    answer: str = "no answer"
    look_at: float = 0.0


class Stack:
    """One stack. Use it as a context manager: within, its web process serves; leaving it stops everything, however it is left.

    Whatever waits for it raises CannotStart, until all of it was well once, when a process keeps ending or that takes too long.
    """

    def __init__(self, plan: Plan, *, say: Callable[[str], object]) -> None:
        self._plan = plan
        self._say = say
        self._stopping = False
        self._embedded: dict[str, str] = {}
        self._commands = read_procfile(plan.procfile)
        self.home = plan.home
        self.port = wanted_port(plan.environment)
        self._bind = plan.environment.get("BIND") or "127.0.0.1"
        self.url = f"http://{_reachable(self._bind)}:{self.port}"
        self._environment = for_processes(plan.environment, home=plan.home, port=self.port)
        self._supervisor = Supervisor(say=say, roster=plan.home / "stack.json")
        self._lock: HomeLock | None = None
        self._expected: _Expected | None = _Expected(None, float("inf"))  # None once all of it was well

    def __enter__(self) -> "Stack":
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def request_stop(self, *_: object) -> None:
        """Make the next `pause` raise Stopped. Safe in a signal handler, which is what the arguments are for."""
        self._stopping = True

    def pause(self, seconds: float) -> None:
        """Watch over the processes for so long; Stopped as soon as a stop is requested."""
        until = time.monotonic() + seconds
        while True:
            if self._stopping:
                raise Stopped
            self._supervisor.watch()
            if self._expected:
                self._mind_the_start(self._expected)
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(0.1, left))

    def wait_until_well(self) -> None:
        """Watch until /health says that everything is there."""
        while self._expected:
            self.pause(0.1)

    def serve(self) -> None:
        """Watch until a stop is requested."""
        while True:
            self.pause(3600)

    def stop(self) -> None:
        """Stop the web process first, so that nothing new comes in; Valkey last, because the others speak to it to the end."""
        if self._lock is None:  # then what runs on this home is another stack's
            return
        workers = [name for name in self._commands if name != "web"]
        self._supervisor.stop([["web"], workers, ["sandbox"], ["valkey"]], grace=self._plan.grace_seconds)
        self._run_env.unlink(missing_ok=True)
        self._lock.release()
        self._lock = None

    @property
    def _run_env(self) -> Path:
        return self.home / "run.env"

    def _start(self) -> None:
        private_folder(self.home)
        private_folder(self.home / "logs")
        self._lock = HomeLock(self.home)
        # What a killed stack left here points at servers that died with it.
        self._run_env.unlink(missing_ok=True)
        require_free(self._bind, self.port)
        self._embed_valkey()
        self._embed_sandbox()
        self._prepare()
        if "MINIMAX_SANDBOX" in self._embedded:
            self._say(SANDBOX_LINE.format(url=self._embedded["MINIMAX_BASE_URL"]))
        if self._embedded:
            write_private(self._run_env, "".join(f"{name}={value}\n" for name, value in self._embedded.items()))
        self._run_all(lambda name: name in FIRST)
        self._expect("/health/live")
        while self._expected:
            self.pause(0.1)
        self._run_all(lambda name: name not in FIRST)
        self._expect("/health")

    def _embed_valkey(self) -> None:
        url = self._environment.get("REDIS_URL")
        if url:
            return _require_redis(url)
        valkey = Valkey(self.home / "valkey")
        # None of our secrets: its environment can be read by every process of this user.
        self._run("valkey", valkey.configure(), {"PATH": self._environment["PATH"], "CONDUIT_HOME": str(self.home)})
        if not valkey.wait(self.pause):
            raise self._failed("valkey", "Valkey does not answer.")
        self._tell(REDIS_URL=valkey.url)

    def _embed_sandbox(self) -> None:
        own = self._environment
        if own.get("MINIMAX_API_KEY") or own["CONDUIT_ENV"] != "development":
            return
        port, key, scale = free_port(), f"sandbox-{secrets.token_urlsafe(16)}", own.get("MINIMAX_TIME_SCALE") or "0.02"
        folder = private_folder(self.home / "sandbox")
        allowed = ",".join(filter(None, (own.get("OUTBOUND_ALLOWED"), f"127.0.0.1:{port}")))
        self._tell(MINIMAX_BASE_URL=f"http://127.0.0.1:{port}", MINIMAX_API_KEY=key, MINIMAX_SANDBOX="1", MINIMAX_TIME_SCALE=scale)
        self._tell(OUTBOUND_ALLOWED=allowed)
        self._run("sandbox", manage("sandbox", "--port", str(port), "--home", str(folder), "--time-scale", scale))

    def _prepare(self) -> None:
        """Bring the database up to date before anything uses it."""
        if self._plan.is_prepared():
            return
        preparation = self._service("migrate", self._plan.preparation)
        written = preparation.log.stat().st_size if preparation.log.exists() else 0
        preparation.start()
        try:
            while (status := preparation.ended()) is None:
                self.pause(0.05)
        finally:
            preparation.kill()
        if status != 0:
            raise CannotStart(_message(preparation.log, written) or f"The database could not be prepared; see {preparation.log}")

    def _run_all(self, chosen: Callable[[str], bool]) -> None:
        for name, command in self._commands.items():
            if chosen(name):
                self._run(name, ["/bin/sh", "-c", f"exec {command}"])

    def _expect(self, path: str) -> None:
        self._expected = _Expected(path, time.monotonic() + self._plan.ready_seconds)

    def _mind_the_start(self, expected: _Expected) -> None:
        for name, service in self._supervisor.services.items():
            if service.deaths >= DEATHS_BEFORE_GIVING_UP:
                raise self._failed(name, f"{name} does not start.")
        if expected.path is None or time.monotonic() < expected.look_at:
            return
        expected.look_at = time.monotonic() + 0.2
        with suppress(requests.RequestException):
            response = self.get(expected.path, timeout=5)
            if response.status_code == 200:
                self._expected = None
                return
            expected.answer = f"{response.status_code} {response.text[:500]}"
        if time.monotonic() > expected.until:
            waited = f"{self._plan.ready_seconds:g} s"
            raise self._failed("web", f"The stack is not ready after {waited}; {expected.path} says: {expected.answer}")

    def get(self, path: str, *, timeout: float) -> requests.Response:
        """GET from our own web process, past any proxy that the environment names."""
        return self.request("GET", path, timeout=timeout)

    def request(
        self, method: str, path: str, *, timeout: float, headers: Mapping[str, str] | None = None, json: object = None
    ) -> requests.Response:
        """Call our own web process, past any proxy that the environment names; a redirect is the caller's to follow."""
        named = {"Host": self._plan.host_header} if self._plan.host_header else {}
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                method, self.url + path, timeout=timeout, headers={**named, **(headers or {})}, json=json, allow_redirects=False
            )

    def _tell(self, **embedded: str) -> None:
        """Where an embedded service listens: to the processes, and to commands started beside the stack."""
        self._embedded |= embedded
        self._environment |= embedded

    def _service(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Service:
        environment = self._environment if environment is None else environment
        return Service(name, command, environment=environment, folder=TREE, log=self.home / "logs" / f"{name}.log")

    def _run(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._supervisor.start(self._service(name, command, environment))

    def _failed(self, name: str, reason: str) -> CannotStart:
        log = self.home / "logs" / f"{name}.log"
        return CannotStart("\n".join([reason, f"The last lines of {log}:", *(f"  {line}" for line in tail(log))]))


def _reachable(bind: str) -> str:
    """The address to call a server by that listens on `bind`."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind)  # noqa: S104 - read, not bound
    return f"[{host}]" if ":" in host else host


def _require_redis(url: str) -> None:
    try:
        if answers(url, seconds=5):
            return
    except ValueError:
        raise CannotStart(
            "REDIS_URL is no address of a Redis server. Set it to one, such as redis://127.0.0.1:6379/0, or leave it out."
        ) from None
    raise CannotStart(
        f"Redis does not answer at {_without_secret(url)}. Start it, set REDIS_URL to one that runs, or leave it out for our own."
    )


def _without_secret(url: str) -> str:
    return url.rpartition("@")[2].partition("?")[0].removeprefix("redis://").removeprefix("rediss://")


def _message(log: Path, start: int) -> str:
    """What a command said for people on its way out: its own `conduit: …` line, or its last lines."""
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").strip().splitlines()
    ours = [line.removeprefix("conduit: ") for line in lines if line.startswith("conduit: ")]
    return ours[-1] if ours else "\n".join(lines[-15:])
