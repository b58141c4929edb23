"""`make bench`: Conduit's two hot paths against a bare server, point by point.

Exits with 1 when any request was answered with anything but 2xx.
"""

import argparse
import itertools
import json
import os
import platform
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.bench import BUDGETED
from tests.bench.load import Load, drive

if TYPE_CHECKING:
    from tests.bench.servers import Prepared, Servers

CONNECTIONS = (1, 16, 64)
# Each point is measured in slices that take turns, so that a machine whose speed drifts is the same to both servers.
TURNS = ("conduit", "bare", "bare", "conduit")

Requests = Callable[[], bytes]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="measured for each point of each server (default: 5)")
    parser.add_argument("--only", default="", help="the paths that begin with this, such as create")
    given = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):  # ended by one it still stops its servers
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    with _servers() as (servers, prepared):
        errors = _measure(servers, prepared, given.seconds, given.only)
        if errors:
            print(f"\n{errors} requests failed. The last lines of the logs:\n{servers.logs()}", file=sys.stderr)
    return 1 if errors else 0


@contextmanager
def _servers() -> Iterator[tuple["Servers", "Prepared"]]:
    os.environ.pop("CONDUIT_TEST_DATABASE", None)  # figures are of PostgreSQL
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    from tests.bench.servers import Servers

    servers = Servers()
    try:
        yield servers, servers.start()
    finally:
        servers.stop()


def _measure(servers: "Servers", prepared: "Prepared", seconds: float, only: str) -> int:
    """Print the table and return how many requests failed."""
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {seconds:g} s for each point of each server")
    print(f"{'path':<15} {'server':<8} {'connections':>11} {'requests/s':>11} {'p50 ms':>8} {'p99 ms':>8} {'errors':>7} {'ratio':>6}")
    ports = {"conduit": servers.conduit, "bare": servers.bare}
    loads: list[Load] = []
    paths = {path: request for path, request in _paths(prepared).items() if path.startswith(only)}
    for (path, request), connections in itertools.product(paths.items(), CONNECTIONS):
        point = {"conduit": Load(), "bare": Load()}
        for name in TURNS:
            drive(point[name], port=ports[name], request=request, connections=connections, seconds=seconds / 2)
        for name, load in point.items():
            print(_row(path, name, connections, load, floor=point["bare"]), flush=True)
        loads += point.values()
    share = max(load.processor_share for load in loads)
    print(f"ratio: requests/s to the bare server's. The load generator used at most {share:.0%} of a core.")
    return sum(load.errors.total() for load in loads)


def _row(path: str, name: str, connections: int, load: Load, *, floor: Load) -> str:
    ratio = f"{load.per_second / floor.per_second:.2f}" if floor.latencies else "-"
    wrong = "".join(f"  {times} x {reason}" for reason, times in load.errors.items())
    p50, p99 = load.percentile(0.5) * 1000, load.percentile(0.99) * 1000
    measured = f"{load.per_second:>11.1f} {p50:>8.2f} {p99:>8.2f} {load.errors.total():>7} {ratio:>6}"
    return f"{path:<15} {name:<8} {connections:>11} {measured}{wrong}"


def _paths(prepared: "Prepared") -> dict[str, Requests]:
    """What makes the next request of each path."""
    from tests.bench.servers import WANTED

    common = _head(prepared.secret)
    reads = itertools.cycle([f"GET /v1/tasks/{task_id} HTTP/1.1\r\n{common}\r\n".encode() for task_id in prepared.task_ids])
    many, one, budgeted = (
        itertools.cycle([_create(secret, json.dumps(WANTED), more) for secret in secrets])
        for secrets, more in ((prepared.many, ""), ([prepared.secret], ""), (prepared.budgeted, f"{BUDGETED}: 2\r\n"))
    )
    return {
        "read": lambda: next(reads),
        "create": lambda: next(many),
        "create, one key": lambda: next(one),
        "create, budgets": lambda: next(budgeted),
    }


def _head(secret: str) -> str:
    return f"Host: 127.0.0.1\r\nAuthorization: Bearer {secret}\r\n"


def _create(secret: str, body: str, more: str) -> bytes:
    head = f"{_head(secret)}{more}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return f"POST /v1/video/generations HTTP/1.1\r\n{head}{body}".encode()


if __name__ == "__main__":
    sys.exit(main())
