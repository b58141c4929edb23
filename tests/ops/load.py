"""Callers and streams of a place, until standard input ends: `python -m tests.ops.load NAME ADDRESS AUTHORITY SECRET`.

They call https://NAME, which is at ADDRESS. What became of them is printed as JSON in the end.
"""

import json
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from tests.support.callers import Creator, Reader, busy
from tests.support.followers import Socket

READERS, CREATORS, SOCKETS = 2, 2, 2
# For events of tasks that are still made when nobody calls any more.
PATIENCE_SECONDS = 600


def main(name: str, address: str, authority: Path, secret: str) -> None:
    _called_by_name(name, address)
    url = f"https://{name}"
    creators = [Creator(url, secret, f"creator {number}") for number in range(CREATORS)]
    readers = [Reader(url, secret, lambda: [task for one in creators for task in one.made.values()]) for _ in range(READERS)]
    sockets = [Socket(url, secret, number) for number in range(SOCKETS)]
    callers = [*creators, *readers]
    for caller in callers:
        caller.trust(authority)
    with busy(*(one.go_on for one in sockets)):
        with busy(*(caller.go_on for caller in callers)):
            print("begun", flush=True)
            sys.stdin.readline()
        made = {prompt: task for one in creators for prompt, task in one.made.items()}
        ended = threading.Event()
        for _ in range(PATIENCE_SECONDS):
            if all(_ends(one) >= set(made.values()) for one in sockets):
                break
            ended.wait(1)
    outcomes = [outcome for caller in callers for outcome in caller.outcomes]
    said: dict[str, Any] = {
        "requests": len(outcomes),
        "bad": [[outcome.what, outcome.how] for outcome in outcomes if not outcome.is_good],
        "made": made,
        "streams": [
            {"events": sorted(one.told.events), "ends": one.told.ends, "problems": one.told.problems, "backward": one.told.backward()}
            for one in sockets
        ],
    }
    print(json.dumps(said, default=str), flush=True)


def _ends(one: Socket) -> set[str]:
    return {task for _, task, status in one.told.events if status in ("completed", "failed", "cancelled")}


def _called_by_name(name: str, address: str) -> None:
    """This network has no DNS."""
    look_up = socket.getaddrinfo

    def found(host: Any, *rest: Any, **named: Any) -> Any:
        return look_up(address if host == name else host, *rest, **named)

    socket.getaddrinfo = found


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4])
