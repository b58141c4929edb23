"""`make bench-sizes`: what each kind of process takes for what it does, and how the database grows, for docs/sizes.md.

Processor time, memory and descriptors are read from the kernel, so that a machine that is busy with something else changes little. What a
process uses while nothing happens is told by itself, and taken off the rest.
"""

import argparse
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.running import RunningStack

KINDS = ("web", "worker", "media", "control", "notifications", "beat")
TICKS = os.sysconf("SC_CLK_TCK")
IDLE_SECONDS, CALLERS = 20.0, 8
MUCH = "1000000"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sizes", description=__doc__)
    parser.add_argument(
        "--videos", type=int, default=20, help="of six seconds at 1280x720, as MiniMax makes them (default: 20; 0: no work is measured)"
    )
    parser.add_argument("--tasks", type=int, default=300, help="with small videos, to see how the database grows (default: 300; 0: not)")
    parser.add_argument("--requests", type=int, default=4000, help="reads, and a tenth of it creates (default: 4,000)")
    wanted = parser.parse_args()
    os.environ.pop("CONDUIT_TEST_DATABASE", None)  # figures are of PostgreSQL
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} before", flush=True)
    if wanted.tasks:
        with _stack() as stack:
            _growth(stack, wanted.tasks)
    if wanted.videos:
        with _stack(SANDBOX_CLIP_SCALE="1") as stack:
            idle = _idle(stack)
            _videos(stack, wanted.videos, idle)
            _made_anew(stack, max(1, wanted.videos // 4), idle)
            _web(stack, wanted.requests, idle)
            _held(stack)
    return 0


@contextmanager
def _stack(**environment: str) -> Iterator["RunningStack"]:
    from tests.support.running import running

    limits = {"CREATES_PER_MINUTE": MUCH, "READS_PER_MINUTE": MUCH, "MINIMAX_TIME_SCALE": "0.02", "OUTBOUND_ALLOWED": "127.0.0.1:*"}
    with running(**limits, **environment) as stack:
        stack.until(stack.is_ready)
        yield stack


# ---- Processor time


def _seconds(stack: "RunningStack") -> dict[str, float]:
    """Of each process and what it started, ended or not."""
    return {kind: sum(map(_of, _family(stack.pid(kind) or 0))) for kind in KINDS}


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in _family(int(child)))]


def _of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def _idle(stack: "RunningStack") -> dict[str, float]:
    """The share of a core that each takes while nothing happens."""
    before = _seconds(stack)
    time.sleep(IDLE_SECONDS)
    after = _seconds(stack)
    shares = {kind: (after[kind] - before[kind]) / IDLE_SECONDS for kind in KINDS}
    print("nothing happens: " + ", ".join(f"{kind} {share * 100:.1f} %" for kind, share in shares.items()) + " of a core")
    return shares


@contextmanager
def _used(stack: "RunningStack", idle: dict[str, float]) -> Iterator[Callable[[], dict[str, float]]]:
    """Seconds of processors that each used since, beside what it uses anyway."""
    before, began = _seconds(stack), time.monotonic()

    def since() -> dict[str, float]:
        after, took = _seconds(stack), time.monotonic() - began
        return {kind: max(0.0, after[kind] - before[kind] - idle[kind] * took) for kind in KINDS}

    yield since


# ---- Work


def _videos(stack: "RunningStack", count: int, idle: dict[str, float]) -> None:
    with _receiver() as (url, received):
        answer = stack.call("POST", "/v1/webhook_endpoints", json={"name": "sizes", "url": url, "event_types": ["task.completed"]})
        told = answer.status_code == 201
        with _used(stack, idle) as since:
            _completed(stack, count)
            stack.until(lambda: not told or len(received) >= count, 60)
            used = since()
    print(f"{count} videos of 6 s at 1280x720, from creation to storage:")
    print(f"  media {used['media'] / (6 * count):.2f} s of a core for each second of video, {used['media'] / count:.1f} s for each")
    print(f"  worker {used['worker'] / count * 1000:.0f} ms for each, control {used['control'] / count * 1000:.0f} ms")
    if received:
        print(f"  notifications {used['notifications'] / len(received) * 1000:.1f} ms for each of {len(received)} webhooks")
    else:
        print(f"  no webhook came: {answer.status_code} {answer.text[:200]}", file=sys.stderr)


def _made_anew(stack: "RunningStack", count: int, idle: dict[str, float]) -> None:
    """Videos of a length and size that no model makes: each picture is encoded."""
    with _used(stack, idle) as since:
        _completed(stack, count, duration=16, resolution="1080x1920")
        used = since()
    print(f"{count} videos of 16 s at 1080x1920, of several clips: media {used['media'] / (16 * count):.2f} s for each second of video")


def _completed(stack: "RunningStack", count: int, **wanted: object) -> None:
    """Make so many videos, and wait for them."""
    body = {"model": "minimax-video", "prompt": "a lighthouse in a storm, at dusk", "duration": 6, "resolution": "1280x720"} | wanted

    def make(_: int) -> None:
        answer = stack.call("POST", "/v1/video/generations", json=body)
        assert answer.status_code == 202, answer.text

    with ThreadPoolExecutor(4) as callers:
        list(callers.map(make, range(count)))
    active = "SELECT count(*) FROM tasks_task WHERE status IN ('queued', 'processing')"
    stack.until(lambda: stack.sql(active) == [(0,)], 60 + 30.0 * count, every=0.5)


def _web(stack: "RunningStack", count: int, idle: dict[str, float]) -> None:
    [(task,)] = stack.sql("SELECT id FROM tasks_task WHERE status = 'completed' LIMIT 1")
    manager = {"Authorization": f"Bearer {stack.manage('create_management_key', 'sizes').split()[-1]}"}
    pause = stack.call("POST", "/v1/admin/pauses", json={"kind": "sending"}, headers=manager).json()["id"]
    body = {"model": "minimax-video", "prompt": "a lighthouse in a storm"}
    for name, number, call in (
        ("reads of a task", count, lambda: stack.call("GET", f"/v1/tasks/{task}")),
        ("creates", count // 10, lambda: stack.call("POST", "/v1/video/generations", json=body)),
    ):
        with _used(stack, idle) as since, ThreadPoolExecutor(CALLERS) as callers:
            statuses = set(callers.map(lambda _, call=call: call().status_code, range(number)))
            each = since()["web"] / number
        print(f"{number} {name} over {CALLERS} connections: {each * 1000:.2f} ms of a core each: {1 / each:.0f} a second ({statuses})")
    for (made,) in stack.sql("SELECT id FROM tasks_task WHERE status IN ('queued', 'processing')"):
        stack.call("POST", f"/v1/tasks/{made}/cancel")
    stack.call("DELETE", f"/v1/admin/pauses/{pause}", headers=manager)


def _held(stack: "RunningStack") -> None:
    """What the processes hold after all that."""
    for kind in KINDS:
        family = _family(stack.pid(kind) or 0)
        memory = [sum(_kilobytes(pid, name) for pid in family) / 1024 for name in ("VmRSS", "VmHWM")]
        files = sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in family)
        connections = stack.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE %s", f"%{kind}%")[0][0]
        words = f"{connections} connections to PostgreSQL by their name" if connections else ""
        print(f"{kind:14} {memory[0]:4.0f} MB in {len(family)} processes (at most {memory[1]:.0f}), {files} files open {words}")
    [(clients,)] = stack.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
    print(f"all together {clients} connections to PostgreSQL")


def _kilobytes(pid: int, name: str) -> int:
    return next(int(line.split()[1]) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(f"{name}:"))


# ---- The database

_SIZES = """
SELECT relname::text, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""


def _growth(stack: "RunningStack", count: int) -> None:
    _completed(stack, min(20, count))  # the first rows of a table take whole pages
    before = dict(stack.sql(_SIZES))
    _completed(stack, count)
    time.sleep(3)  # for what is counted of them
    after = dict(stack.sql(_SIZES))
    grown = {name: (size - before.get(name, 0)) / count for name, size in after.items()}
    print(f"{count} completed tasks of one clip each: {sum(grown.values()):.0f} bytes for each, with indexes")
    for name, each in sorted(grown.items(), key=lambda one: -one[1]):
        if each >= 1:
            print(f"  {name:32} {each:7.0f}")


@contextmanager
def _receiver() -> Iterator[tuple[str, list[bytes]]]:
    """The address of one who takes webhooks, and what came."""
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", received
    finally:
        server.shutdown()


if __name__ == "__main__":
    sys.exit(main())
