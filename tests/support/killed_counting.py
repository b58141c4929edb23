"""Counts roll-ups in a process that dies of SIGKILL before or after one write or commit, the next at the next, until one comes
through: `python -m tests.support.killed_counting`, with the settings in the environment. Before each, a task is created and ended."""

import json
import os

from tests.support.crasher import FaultPoints, forked
from tests.support.loaded import load


def count(fatal: int) -> bool:
    from django.db import connection

    from conduit.rollups import registry
    from keys.models import VirtualKey
    from tests.support.ending import end
    from videos.models import Clip
    from videos.requests import GenerationRequest
    from videos.services import start_generation

    wanted = GenerationRequest.parse({"model": "minimax-video", "prompt": "a cat", "duration": 6, "resolution": "1280x720"})
    task = start_generation(key=VirtualKey.objects.get(), wanted=wanted)
    Clip.objects.create(
        video_id=task.pk, number=0, api="v1", upstream="video-01", cost="0.19", expected_seconds=9, billed="0.19", state="failed",
        provider_task_id=str(fatal),
    )  # fmt: skip
    end(task.pk, "completed")
    points = FaultPoints(fatal)
    connection.commit = points.around("a commit", connection.commit)  # type: ignore[method-assign]
    connection.execute_wrappers.append(
        lambda execute, sql, *given: (execute if sql.startswith(("SELECT", "BEGIN")) else points.around("a write", execute))(sql, *given)
    )
    for rollup in registry.registered():
        if rollup.roll_up:
            rollup.roll_up()
    return True


def main() -> None:
    load()
    deaths = 0
    while forked(count, deaths)[0]:
        deaths += 1
    print(json.dumps({"deaths": deaths}))


if __name__ == "__main__":
    os.environ.setdefault("LOG_LEVEL", "ERROR")
    main()
