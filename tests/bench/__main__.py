"""`make bench`: Conduit's hot paths against a bare server, point by point (tests.bench.points).

Exits with 1 when any request was answered with anything but 2xx, or 304 where that was asked for.
"""

import argparse
import os
import platform
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.bench import floods
from tests.bench.load import Load, drive
from tests.bench.points import points_of

if TYPE_CHECKING:
    from tests.bench.servers import Prepared, Servers

# Each point is measured in slices that take turns, so that a machine whose speed drifts is the same to both servers.
TURNS = ("conduit", "bare", "bare", "conduit")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="measured for each point of each server (default: 3)")
    parser.add_argument("--only", default="", help="the paths that begin with this, such as create")
    given = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):  # ended by one it still stops its servers
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    with servers() as (running, prepared):
        errors = _measure(running, prepared, given.seconds, given.only)
        if floods.NAME.startswith(given.only):
            errors += floods.measure(running, prepared.flooded, given.seconds)
        if errors:
            print(f"\n{errors} requests failed. The last lines of the logs:\n{running.logs()}", file=sys.stderr)
    return 1 if errors else 0


@contextmanager
def servers() -> Iterator[tuple["Servers", "Prepared"]]:
    os.environ.pop("CONDUIT_TEST_DATABASE", None)  # figures are of PostgreSQL
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    from tests.bench.servers import Servers

    running = Servers()
    try:
        yield running, running.start()
    finally:
        running.stop()


def _measure(servers: "Servers", prepared: "Prepared", seconds: float, only: str) -> int:
    """Print the table and return how many requests failed."""
    busy = f"load average {os.getloadavg()[0]:.1f} before"
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {busy}, {seconds:g} s for each point of each server")
    print(f"{'path':<20} {'server':<8} {'connections':>11} {'requests/s':>11} {'p50 ms':>8} {'p99 ms':>8} {'errors':>7} {'ratio':>6}")
    ports = {"conduit": servers.conduit, "bare": servers.bare}
    loads: list[Load] = []
    for point in points_of(prepared):
        if not point.name.startswith(only):
            continue
        for connections in point.connections:
            found = {"conduit": Load(), "bare": Load()}
            for name in TURNS:
                drive(
                    found[name],
                    port=ports[name],
                    request=point.request,
                    connections=connections,
                    seconds=seconds / 2,
                    beside=point.beside,
                )
            for name, load in found.items():
                print(_row(point.name, name, connections, load, floor=found["bare"]), flush=True)
            loads += found.values()
    if not loads:
        return 0
    share = max(load.processor_share for load in loads)
    print(f"ratio: requests/s to the bare server's. The load generator used at most {share:.0%} of a core.")
    return sum(load.errors.total() for load in loads)


def _row(path: str, name: str, connections: int, load: Load, *, floor: Load) -> str:
    ratio = f"{load.per_second / floor.per_second:.2f}" if floor.latencies else "-"
    wrong = "".join(f"  {times} x {reason}" for reason, times in load.errors.items())
    p50, p99 = load.percentile(0.5) * 1000, load.percentile(0.99) * 1000
    measured = f"{load.per_second:>11.1f} {p50:>8.2f} {p99:>8.2f} {load.errors.total():>7} {ratio:>6}"
    return f"{path:<20} {name:<8} {connections:>11} {measured}{wrong}"


if __name__ == "__main__":
    sys.exit(main())
