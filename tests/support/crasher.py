"""Kills a worker before and after every commit and every network call of a task's life, one after the other.

Run as a process of its own (`python -m tests.support.crasher`), with the settings in the environment. It never opens a
connection itself: each worker is a fork of it that does the engine's steps until its fault point kills it with
SIGKILL, and a second fork finishes what the first one left. A line of JSON on standard output tells how each ended.
"""

import json
import os
import signal
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any
from uuid import UUID

from conduit import clock
from tests.support.loaded import load

NEVER = -1


class FaultPoints:
    """Counts the moments at which a worker could die, and dies at the chosen one."""

    def __init__(self, fatal: int) -> None:
        self.fatal = fatal
        self.passed = 0

    def reach(self, name: str) -> None:
        if self.passed == self.fatal:
            os.write(2, f"died {name}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed += 1

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.reach(f"before {name}")
            result = function(*args, **kwargs)
            self.reach(f"after {name}")
            return result

        return wrapped

    def install(self) -> None:
        """Around commits, writes that commit themselves, provider calls and files that are stored."""
        from django.core.files.storage import FileSystemStorage
        from django.db import connection
        from requests.adapters import HTTPAdapter

        from conduit.outbound.transport import Session

        connection.ensure_connection()
        connection.commit = self.around("a commit", connection.commit)
        connection.execute_wrappers.append(self._around_autocommit)
        HTTPAdapter.send = self.around("a call to MiniMax", HTTPAdapter.send)
        Session.ask = self.around("a question to MiniMax", Session.ask)
        FileSystemStorage._save = self.around("a file is stored", FileSystemStorage._save)

    def _around_autocommit(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if context["connection"].in_atomic_block or sql.startswith(("SELECT", "BEGIN")):
            return execute(sql, params, many, context)
        return self.around("a write", execute)(sql, params, many, context)


def work(task_id: str, fatal: int) -> None:
    """A worker: finds, claims and does steps until the task ends, as the real ones do together."""

    from tasks import leases
    from tasks.models import Lane, Task
    from tests.support.asking import a_round
    from videos import engine

    # The lease of the process that died before has lapsed.
    Task.objects.filter(pk=task_id, lease_until__isnull=False).update(lease_until=clock.now() - timedelta(seconds=1))
    FaultPoints(fatal).install()
    # How often it has to ask is the machine's pace. A task that gets nowhere fails, by the product's own time limits.
    while Task.objects.get(pk=task_id).is_active:
        a_round()
        for lane in (Lane.PROVIDER, Lane.MEDIA):
            for claim in leases.claim_due(clock.now(), lane=lane, limit=5):
                engine.advance(claim.task_id, lane=claim.lane, claim=claim.token)


def finish(task_id: str) -> dict[str, Any]:
    """The worker that comes after, and how the task ended."""
    work(task_id, NEVER)
    return look(task_id)


def create(name: str) -> str:
    from keys.models import VirtualKey
    from videos.requests import GenerationRequest
    from videos.services import start_generation

    wanted = GenerationRequest.parse(
        {"model": "minimax-video", "prompt": f"crash {name}", "duration": os.environ["DURATION"], "resolution": "720x480"}
    )
    return str(start_generation(key=VirtualKey.objects.get(), wanted=wanted).pk)


def look(task_id: str) -> dict[str, Any]:
    from tasks.models import Task
    from videos.models import Clip

    task = Task.objects.get(pk=task_id)
    states = list(Clip.objects.filter(video_id=UUID(task_id)).order_by("number").values_list("state", flat=True))
    prompt = task.video.prompt
    return {"task_id": task_id, "prompt": prompt, "status": task.status, "error_code": task.error_code, "clips": states}


def forked(function: Callable[..., Any], *args: Any) -> tuple[int, Any]:
    """The function's result out of a fork of its own, and the signal that ended the fork (0: none)."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            with os.fdopen(writer, "w") as out:
                json.dump(function(*args), out)
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    _, status = os.waitpid(child, 0)
    died_of = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if not died_of and os.waitstatus_to_exitcode(status):
        raise AssertionError(f"{function.__name__} failed")
    return died_of, json.loads(text) if text else None


def main() -> None:
    load()
    for name in ("tests.support.asking", "videos.engine"):
        import_module(name)
    read_here()
    trust_the_storage()

    fatal = 0
    while True:
        _, task_id = forked(create, str(fatal))
        died_of, _ = forked(work, task_id, fatal)
        _, found = forked(look, task_id)
        ended = forked(finish, task_id)[1] if died_of else found
        print(json.dumps({"point": fatal, "died": bool(died_of), "clips_at_death": found["clips"], **ended}), flush=True)
        if not died_of or os.environ.get("UNTIL_A_CLIP_IS") in found["clips"]:
            return
        fatal += int(os.environ["EVERY"])


def read_here() -> None:
    """Read and write videos without a process for each: no fault point lies within, and how such a process dies is test_child's matter."""
    from videos.media import assembling, child, sheets

    def in_this_process(work: Callable[..., Any]) -> Callable[..., Any]:
        return lambda limits, *args, **kwargs: work(*args, **kwargs)

    for work in (assembling.probe, assembling.assemble, sheets.draw_spritesheet):
        setattr(child, work.__name__, in_this_process(work))


def trust_the_storage() -> None:
    """A worker that dies while it tries the storage leaves a file for an hour, and no task has anything to do with it."""
    from videos import storage_check

    storage_check.trouble = lambda: None


if __name__ == "__main__":
    main()
