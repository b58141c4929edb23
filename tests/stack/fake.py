"""A stack with its own Valkey but somebody else's Procfile: `python -m tests.stack.fake PROCFILE`."""

import os
import sys
from pathlib import Path

from conduit.stack.command import run
from conduit.stack.errors import DemoFailed
from conduit.stack.stack import Plan, Stack


def say(line: str) -> None:
    print(line, flush=True)


def serve(stack: Stack) -> None:
    if failure := os.environ.get("FAKE_FAILURE"):
        raise DemoFailed(failure)
    stack.wait_until_well()
    say("ready")
    stack.serve()


if __name__ == "__main__":
    run(
        Plan(
            home=Path(os.environ["CONDUIT_HOME"]),
            environment=os.environ,
            procfile=Path(sys.argv[1]),
            preparation=["/bin/sh", "-c", os.environ.get("FAKE_PREPARATION", "true")],
            ready_seconds=90,
            grace_seconds=float(os.environ.get("FAKE_GRACE", "10")),
        ),
        serve,
        say=say,
    )
