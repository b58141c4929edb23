"""What one other key notices while a hog floods: its reads, and whether the process says that it is alive.

A part of `make bench`, which says too what the process holds a minute after the last of them. `python -m tests.bench.floods --memory`
measures the whole flood alone, for longer, with the same.
"""

import argparse
import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.load import Load, paced

if TYPE_CHECKING:
    from tests.bench.servers import Flooded, Servers

READERS, PACE_SECONDS = 4, 0.02
# Until a hog has all that it can get.
UNDER_WAY_SECONDS = 2.0
REST_SECONDS = 60.0

# What `--only` of the bench calls this part.
NAME = "flood"

Hogs = list[tuple[str, int, dict[str, Any]]]


def hogs_of(prepared: "Flooded") -> dict[str, Hogs]:
    """By what they are called in the table; "all" are those of which another key may notice next to nothing."""
    from tests.bench.servers import WANTED

    creates: Hogs = [("creates", 64, {"secret": prepared.hog, "body": json.dumps(WANTED)})]
    logins: Hogs = [("logins", 40, {})]
    pings: Hogs = [("pings", 5, {"secret": prepared.talker, "frame": frame}) for frame in ("websocket", "hub")]
    begun = ("GET /v1/mod", "POST /v1/video/generations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n{")
    drips: Hogs = [("drips", 150, {"begun": text}) for text in begun]
    return {
        "nobody": [],
        "creates": creates,
        "refused": [("refused", 16, {"secret": prepared.refused})],
        "logins": logins,
        "pings": pings,
        "drips": drips,
        "all": [*creates, *logins, *pings, *drips],
    }


def measure(running: "Servers", prepared: "Flooded", seconds: float) -> int:
    """Print a row for each hog; how many requests of the other key failed."""
    print(f"\nAnother key's reads and /health/live while a hog floods (all: creates, logins, pings and drips), {seconds:g} s each")
    columns = (f"{name:>9}" for name in ("reads/s", "p50 ms", "p99 ms", "live p50", "live p99", "errors", "processor"))
    print(f"{'hog':<8}{''.join(columns)}  what the hogs met")
    *alone, (name, hogs) = hogs_of(prepared).items()
    errors = sum(_row(running, prepared, of, some, seconds) for of, some in alone)
    before = resident(running.pid)  # each flood was there once: everything is imported, and every pool full
    errors += _row(running, prepared, name, hogs, seconds)
    _rest(running, before)
    return errors


def _rest(running: "Servers", before: float) -> None:
    """Print what the process holds at once, and a minute later."""
    during = resident(running.pid)
    time.sleep(REST_SECONDS)
    after = resident(running.pid)
    print(f"resident: {before:.0f} MB before, {during:.0f} at the end of all of it, {after:.0f} a minute later ({after / before:.2f})")


def _row(running: "Servers", prepared: "Flooded", name: str, hogs: Hogs, seconds: float) -> int:
    with flooding(running.conduit, hogs) as met:
        used = processor_seconds(running.pid)
        reads, live = asyncio.run(_notice(running.conduit, prepared, seconds))
        used = processor_seconds(running.pid) - used
    figures = [load.percentile(share) * 1000 for load in (reads, live) for share in (0.5, 0.99)]
    errors = reads.errors + live.errors
    seen = ", ".join(f"{count} {what}" for what, count in sorted(met.items()))
    wrong = "".join(f"  {times} x {reason}" for reason, times in errors.items())
    columns = "".join(f"{figure:>9.1f}" for figure in (reads.per_second, *figures))
    print(f"{name:<8}{columns}{errors.total():>9}{used / seconds:>9.0%}  {seen}{wrong}", flush=True)
    return errors.total()


async def _notice(port: int, prepared: "Flooded", seconds: float) -> tuple[Load, Load]:
    """What the other key's few readers and a balancer see."""
    common = f"Host: 127.0.0.1\r\nAuthorization: Bearer {prepared.secret}\r\n\r\n"
    tasks = itertools.cycle([f"GET /v1/tasks/{task_id} HTTP/1.1\r\n{common}".encode() for task_id in prepared.task_ids])
    alive = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    reads, live = Load(), Load()
    await asyncio.gather(
        *(paced(reads, port=port, request=lambda: next(tasks), pause=PACE_SECONDS, seconds=seconds) for _ in range(READERS)),
        paced(live, port=port, request=lambda: alive, pause=PACE_SECONDS, seconds=seconds),
    )
    reads.seconds = live.seconds = seconds
    return reads, live


@contextmanager
def flooding(port: int, hogs: Hogs) -> Iterator[dict[str, int]]:
    """Hogs at work, in a process of their own that leaves the processors to others; afterwards what they met."""
    met: dict[str, int] = {}
    if not hogs:
        yield met
        return
    command = [sys.executable, "-m", "tests.bench.hogs", str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            process.stdin.write(json.dumps(hogs) + "\n")
            process.stdin.flush()
            time.sleep(UNDER_WAY_SECONDS)
            yield met
            process.stdin.write("\n")
            process.stdin.flush()
            met |= json.loads(process.stdout.readline())
        finally:
            process.kill()


def processor_seconds(pid: int | None) -> float:
    """What the process has used of processors so far; of a core, whoever else has them."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int | None) -> float:
    """MB that the process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.floods", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each flood (default: 10)")
    parser.add_argument("--memory", action="store_true", help="the whole flood alone, and what the process holds a minute later")
    asked = parser.parse_args()
    from tests.bench.__main__ import servers

    with servers() as (running, prepared):
        if not asked.memory:
            return 1 if measure(running, prepared.flooded, asked.seconds) else 0
        for name in ("nobody", "all"):  # once, so that everything is imported and every pool full
            _row(running, prepared.flooded, name, hogs_of(prepared.flooded)[name], 3)
        time.sleep(REST_SECONDS)
        before = resident(running.pid)
        errors = _row(running, prepared.flooded, "all", hogs_of(prepared.flooded)["all"], asked.seconds)
        _rest(running, before)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
