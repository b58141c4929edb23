"""Consumers in many processes that all create at the same moment.

Run as `python -m tests.support.crowds PROCESSES SECRET…`: Conduit is loaded once, and each process is a fork with
connections of its own, which does what `tests.support.creators` says. The end of standard input lets them all go.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support import creators
from tests.support.databases import database_url
from tests.support.loaded import handler, load

ROOT = Path(__file__).resolve().parents[2]


def at_once(secrets: Sequence[str], *, processes: int, **environment: str) -> list[dict[str, Any]]:
    """How each secret's create was answered, all sent at the same moment, by so many processes in equal parts."""
    given = os.environ | {"DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "conduit.settings", "LOG_LEVEL": "ERROR"} | environment
    crowd = subprocess.Popen(
        [sys.executable, "-m", "tests.support.crowds", str(processes), *secrets],
        cwd=ROOT,
        env=given,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert crowd.stdout
    for _ in range(processes):
        assert crowd.stdout.readline() == "ready\n"
    said, _ = crowd.communicate(timeout=300)
    assert crowd.returncode == 0
    return [json.loads(line) for line in said.splitlines()]


def forked(work: Any, *arguments: object) -> int:
    """The id of a process that does this work and ends: with status 0, or with 1 when it failed."""
    sys.stdout.flush()
    if pid := os.fork():
        return pid
    status = 1
    try:
        work(*arguments)
        sys.stdout.flush()
        status = 0
    except BaseException:  # noqa: BLE001 - nothing may leave a fork but its status
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def main(processes: int, secrets: Sequence[str]) -> int:
    load()
    waiting = {forked(creators.main, secrets[number::processes], handler()) for number in range(processes)}
    while waiting:
        pid, status = os.wait()
        waiting.discard(pid)
        if status:  # the others would wait for it, and who waits for them would too
            for other in waiting:
                os.kill(other, signal.SIGKILL)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
