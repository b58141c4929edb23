"""Starts of our processes for a third of the price: what they load of others is loaded once, and each is a fork of that.

`run` is `subprocess.run` for a script, `-c` words or `-m` a module of this environment's Python: the process has the environment
that it is given and no other, reads its settings from it and loads everything of ours itself. It cannot be waited for
meanwhile, so it is for what ends by itself.

As a script (`python -m tests.support.nursery`) it is that process: a line of JSON asks for a start, another tells how it ended.
"""

import atexit
import functools
import gc
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from tests.support.scratch import scratch

ROOT = Path(__file__).resolve().parents[2]
# Somebody else's, and nothing that reads Django's settings when it is loaded, nor opens anything: forks would share it.
LOADED = (
    "celery.app.base", "celery.app.task", "celery.apps.beat", "celery.apps.worker", "celery.bin.celery", "celery.schedules",
    "channels.consumer", "channels.generic.http", "channels_redis.core", "corsheaders.middleware", "cryptography.x509",
    "django.contrib.admin.checks", "django.contrib.postgres.fields", "django.contrib.postgres.search", "django.core.management",
    "django.core.management.commands.check", "django.db.backends.postgresql.base", "django.db.backends.sqlite3.base", "django.forms",
    "django.template.loader", "django.views.generic", "environ", "kombu.transport.redis", "msgpack", "opentelemetry.sdk.metrics",
    "prometheus_client", "psycopg_pool", "redis.asyncio", "requests", "structlog.dev", "whitenoise.middleware",
)  # fmt: skip


def run(command: Sequence[str], environment: Mapping[str, str], *, seconds: float = 120) -> "subprocess.CompletedProcess[str]":
    """How it ended and what it said. TimeoutExpired when it took longer."""
    told = _nursery().ask({"command": list(command), "environment": dict(environment), "seconds": seconds})
    if told["status"] is None:
        raise subprocess.TimeoutExpired(command, seconds, told["output"], told["errors"])
    return subprocess.CompletedProcess(command, told["status"], told["output"], told["errors"])


class _Nursery:
    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.nursery", str(scratch("nursery"))],
            cwd=ROOT, env={"PATH": os.environ["PATH"]}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        self._lock = threading.Lock()
        atexit.register(self.close)  # and it ends by itself when who started it is gone, with its standard input

    def ask(self, start: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        with self._lock:
            print(json.dumps(start), file=self._process.stdin, flush=True)
            told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told

    def close(self) -> None:
        self._process.communicate(timeout=30)


@functools.cache
def _nursery() -> _Nursery:
    return _Nursery()


def main(folder: Path) -> None:
    for name in LOADED:
        import_module(name)
    assert "conduit" not in sys.modules
    gc.freeze()
    for line in sys.stdin:
        asked = json.loads(line)
        with (folder / "output").open("w+b") as output, (folder / "errors").open("w+b") as errors:
            status = _ended(_forked(asked["command"], asked["environment"], output, errors), asked["seconds"])
            output.seek(0)
            errors.seek(0)
            told = {"status": status, "output": output.read().decode(), "errors": errors.read().decode()}
        print(json.dumps(told), flush=True)


def _forked(command: Sequence[str], environment: Mapping[str, str], output: IO[bytes], errors: IO[bytes]) -> int:
    if pid := os.fork():
        return pid
    status = 1
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(errors.fileno(), 2)
        os.environ.clear()
        os.environ.update(environment)
        status = _status_of(command)
        threading._shutdown()  # type: ignore[attr-defined] # as the interpreter does at its end
        atexit._run_exitfuncs()
        sys.stdout.flush()
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
            sys.argv = [program, *arguments]
            runpy.run_path(program, run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - nothing may leave a fork but its status
        traceback.print_exc()
        return 1
    return 0


def _ended(pid: int, seconds: float) -> int | None:
    """Its status as `subprocess` tells it; None for one that did not end in time, and was killed."""
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(pid, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    _, status = os.waitpid(pid, 0)
    late = signal.setitimer(signal.ITIMER_REAL, 0)[0] == 0
    return None if late else os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
