"""Starts of our processes for a third of the price: what they load of others is loaded once, and each is a fork of that.

`run` is `subprocess.run`, and `start` is `subprocess.Popen`, for a script, `-c` words or `-m` a module of this environment's Python: the
process has the environment that it is given and no other, but for what Python itself reads when it starts, reads its settings from it
and loads everything of ours itself.

As a script (`python -m tests.support.nursery`) it is that process, and the parent of all: a line of JSON asks for a start, another how
one ended. Who was started ends with it, and it with who started it.
"""

import atexit
import gc
import json
import os
import resource
import runpy
import select
import shutil
import signal
import subprocess
import sys
import threading
import traceback
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.support.scratch import scratch

ROOT = Path(__file__).resolve().parents[2]
# Read as a file: the package would bring ours.
LIFELINE = runpy.run_path(str(ROOT / "conduit/stack/lifeline.py"))
# Somebody else's, and nothing that reads Django's settings when it is loaded, nor opens anything: forks would share it.
LOADED = (
    "celery.app.base", "celery.app.task", "celery.apps.beat", "celery.apps.worker", "celery.bin.celery", "celery.schedules",
    "channels.consumer", "channels.generic.http", "channels_redis.core", "corsheaders.middleware", "cryptography.x509",
    "django.contrib.admin.checks", "django.contrib.postgres.fields", "django.contrib.postgres.search", "django.core.management",
    "django.core.management.commands.check", "django.db.backends.postgresql.base", "django.db.backends.sqlite3.base", "django.forms",
    "django.template.loader", "django.views.generic", "environ", "kombu.transport.redis", "msgpack", "opentelemetry.sdk.metrics",
    "prometheus_client", "psycopg_pool", "redis.asyncio", "requests", "structlog.dev", "whitenoise.middleware",
    "autobahn.twisted.websocket", "daphne.endpoints", "daphne.http_protocol", "daphne.ws_protocol", "twisted.internet.asyncioreactor",
)  # fmt: skip


def run(command: Sequence[str], environment: Mapping[str, str], *, seconds: float = 120) -> "subprocess.CompletedProcess[str]":
    """How it ended and what it said. TimeoutExpired when it took longer."""
    with TemporaryDirectory(prefix="run-", dir=_nursery().folder) as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        process = Fork(command, environment, output, errors)
        try:
            status = process.wait(seconds)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise subprocess.TimeoutExpired(command, seconds, output.read_text(), errors.read_text()) from None
            raise
        return subprocess.CompletedProcess(command, status, output.read_text(), errors.read_text())


def start(command: Sequence[str], environment: Mapping[str, str], log: Path, *, descriptors: int | None = None) -> "Started":
    """Started in a process group of its own, to be ended by who asked: what it says goes to the end of `log`.

    `descriptors`: how many it may have. This process's own limit stays what it is: it may hold more than that already.
    """
    if environment.get("PYTHONPATH") or environment.get("LD_PRELOAD"):  # meant for what is loaded before anything else
        with log.open("ab") as end:
            return subprocess.Popen(
                LIFELINE["tied"](command),
                cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=end, stderr=end, start_new_session=True,
            )  # fmt: skip
    return Fork(command, environment, log, log, descriptors)


class Fork:
    """As a Popen: its process stays, dead, until it was asked how it ended."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], output: Path, errors: Path, descriptors: int | None = None
    ) -> None:
        self.args = command
        self.returncode: int | None = None
        files = {"output": str(output), "errors": str(errors), "descriptors": descriptors}
        self._nursery = _nursery()
        self.pid: int = self._nursery.ask({"command": list(command), "environment": dict(environment), **files})
        self._end = os.pidfd_open(self.pid)  # can be read from when it has ended
        weakref.finalize(self, os.close, self._end)
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            ended = select.poll()
            ended.register(self._end, select.POLLIN)
            if not ended.poll(None if timeout is None else timeout * 1000):
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            with self._lock:
                if self.returncode is None:
                    self.returncode = self._nursery.ask({"ended": self.pid})
        return self.returncode

    def send_signal(self, number: int) -> None:
        with suppress(ProcessLookupError):  # by the descriptor: the number may be somebody else's by now
            signal.pidfd_send_signal(self._end, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


Started = Fork | subprocess.Popen[bytes]


class _Nursery:
    def __init__(self) -> None:
        self.folder = scratch("nursery")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.nursery"],
            cwd=ROOT, env={"PATH": os.environ["PATH"]}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        self._lock = threading.Lock()
        atexit.register(self.close)  # and it ends by itself when who started it is gone, with its standard input

    def ask(self, asked: dict[str, Any]) -> int:
        assert self._process.stdin
        assert self._process.stdout
        with self._lock:
            print(json.dumps(asked), file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the process that starts others has ended: what it said of it is on standard error")
        return int(answer)

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def close(self) -> None:
        self._process.communicate(timeout=30)


_making = threading.Lock()
_made: list[_Nursery] = []


def _nursery() -> _Nursery:
    """One for this process, and another where that one has ended."""
    with _making:
        if not _made or _made[-1].has_ended:
            _made.append(_Nursery())
        return _made[-1]


def main() -> None:
    for name in LOADED:
        import_module(name)
    assert "conduit" not in sys.modules
    assert "twisted.internet.reactor" not in sys.modules
    gc.freeze()
    for line in sys.stdin:
        asked = json.loads(line)
        answer = os.waitstatus_to_exitcode(os.waitpid(asked["ended"], 0)[1]) if "ended" in asked else _forked(**asked)
        print(answer, flush=True)


def _forked(command: Sequence[str], environment: Mapping[str, str], output: str, errors: str, descriptors: int | None) -> int:
    if pid := os.fork():
        os.setpgid(pid, pid)  # here too: who is told of it may send its group a signal at once
        return pid
    status = 1
    try:
        os.setpgid(0, 0)
        LIFELINE["die_with_parent"]()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
        os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr] # as good as PYTHONUNBUFFERED
        if descriptors:
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
        os.environ.clear()
        os.environ.update(environment)
        status = _status_of(command)
        threading._shutdown()  # type: ignore[attr-defined] # as the interpreter does at its end
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - nothing may leave a fork but its status
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _status_of(command: Sequence[str]) -> int:
    """What Python itself would end with."""
    program, *arguments = command
    if Path(program) == Path(sys.executable):
        program, *arguments = arguments
    try:
        if program == "-c":
            sys.argv = ["-c", *arguments[1:]]
            exec(arguments[0], {"__name__": "__main__"})
        elif program == "-m":
            sys.argv = list(arguments)
            runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
        else:
            sys.argv = [shutil.which(program) or program, *arguments]
            runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - nothing may leave a fork but its status
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    main()
