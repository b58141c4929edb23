"""Creates a video on the event loop in a process that dies of SIGKILL before, while or after the database does one batch of statements,
the next at the next, until one comes through; each time another process then sends the same call again.

`python -m tests.support.killed_creates SECRET`, with the settings in the environment. A line of JSON tells of each what became of it.
"""

import json
import os
import sys
from importlib import import_module
from typing import Any

from tests.support.crasher import FaultPoints, forked
from tests.support.loaded import load


def create_and_die(fatal: int, secret: str) -> None:
    from conduit.postgresql.pipelines import Pipeline

    points = FaultPoints(fatal)
    send, flush = Pipeline.send, Pipeline._flush

    async def sent(pipeline: Pipeline, batch: Any) -> Any:
        points.reach("before a batch")
        answers = await send(pipeline, batch)
        points.reach("after a batch")
        return answers

    def flushed(pipeline: Pipeline) -> None:
        flush(pipeline)
        points.reach("while a batch is in the air")

    Pipeline.send, Pipeline._flush = sent, flushed
    create(fatal, secret)


def create(number: int, secret: str) -> dict[str, Any]:
    from tests.support.quick_creates import GOOD, quickly

    answer = quickly(secret, GOOD, idempotency_key=f"call-{number}")
    assert answer.went_on is None, answer.went_on
    return {"status": answer.status_code, "replayed": "Idempotent-Replayed" in answer.headers, "task": answer.json()}


def main(secret: str) -> None:
    load()
    import_module("tests.support.quick_creates")

    died: object = True
    number = 0
    while died:
        died, _ = forked(create_and_die, number, secret)
        _, again = forked(create, number, secret)
        print(json.dumps({"died": died, **again}), flush=True)
        number += 1


if __name__ == "__main__":
    os.environ.setdefault("LOG_LEVEL", "ERROR")
    main(sys.argv[1])
