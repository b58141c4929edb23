"""`make bench-realtime`: how fast events that enter at the channel layer reach the hub's clients.

One daphne process, clients in another process, events from this one. Exits with 1 when an event is not delivered.
"""

import argparse
import asyncio
import collections
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# Of each process: descriptors beside those of its connections.
DESCRIPTORS_BESIDE = 100


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.realtime", description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="how long events are sent (default: 15)")
    parser.add_argument("--keys", type=int, default=1000, help="keys with one connection each (default: 1000)")
    parser.add_argument("--rate", type=float, default=2000.0, help="events a second over all keys (default: 2000)")
    parser.add_argument("--fan", type=int, default=2000, help="connections of one key (default: 2000)")
    wanted = parser.parse_args()
    needed = max(wanted.keys, wanted.fan) + DESCRIPTORS_BESIDE
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(needed, 4096)), hard))
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores. `ulimit -n` of each process must be at least {needed}.")
    with _prepared(wanted.keys) as (web, secrets):
        lost = _many_keys(web, secrets, rate=wanted.rate, seconds=wanted.seconds)
        lost += _one_key(web, wanted.fan, seconds=wanted.seconds)
    return 1 if lost else 0


@contextmanager
def _prepared(keys: int) -> Iterator[tuple[Any, dict[int, str]]]:
    os.environ.pop("CONDUIT_TEST_DATABASE", None)
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    import psycopg
    from django.core.management import call_command

    from keys.services import create_key
    from tests import settings as test_settings
    from tests.support.web import Web

    with psycopg.connect(test_settings.POSTGRES.url(), autocommit=True) as server:
        server.execute("CREATE DATABASE conduit")
    call_command("migrate", verbosity=0)
    secrets = {key.pk: secret for key, secret in (create_key(name=f"bench {number}") for number in range(keys))}
    web = Web(DATABASE_POOL="8", STREAMS_PER_KEY="5000", READS_PER_MINUTE="1000000", LOG_LEVEL="WARNING").start()
    try:
        yield web, secrets
    finally:
        web.stop()


@contextmanager
def _clients(port: int, secrets: list[str], *, per_second: float) -> Iterator[Any]:
    """Connected clients; what you get waits for so many messages and gives their latencies, by round."""
    command = [sys.executable, "-m", "tests.bench.sockets", str(port), str(per_second)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    process.stdin.write(" ".join(secrets) + "\n")
    process.stdin.flush()
    if process.stdout.readline() != "ready\n":
        raise RuntimeError("not all clients could connect")

    def latencies(expected: int) -> dict[str, list[float]]:
        out, _ = process.communicate(f"{expected}\n", timeout=120)
        found: dict[str, list[float]] = json.loads(out)
        return found

    try:
        yield latencies
    finally:
        process.kill()
        process.wait()


def _event(key_id: int, position: int, round_number: int) -> dict[str, Any]:
    """What lifecycle publishes when a task was started; its model tells when it was sent."""
    task = {
        "task_id": "01a2031c-3177-797d-b536-03c35c609061", "object": "task", "type": "video_generation", "status": "processing",
        "progress": 2, "stage": "preparing", "eta_seconds": 90, "model": f"{round_number}:{time.monotonic_ns()}",
        "prompt": "A lighthouse in a storm, waves breaking over the rocks, seen from the sea at dusk", "duration": 6,
        "resolution": "1280x720", "aspect_ratio": "16:9", "result": None, "created_at": "2026-11-22T11:55:08.000Z",
        "updated_at": "2026-11-22T11:55:08.000Z", "started_at": "2026-11-22T11:55:08.000Z", "completed_at": None, "error": None,
        "error_code": None, "retry_of": None, "metadata": {},
        "cost": {"estimated": "0.2000", "held": "0.2000", "charged": None, "currency": "USD"},
    }  # fmt: skip
    return {"type": "task.event", "key": key_id, "position": position, "name": "task.started", "task": task, "updated_at": 0, "legs": None}


async def _send(key_ids: list[int], *, rate: float, events: int, rounds: bool) -> None:
    """Events at an even pace, each to the next key."""
    from channels.layers import get_channel_layer

    from tasks.publishing import group_of

    layer = get_channel_layer()
    positions: collections.Counter[int] = collections.Counter()
    begin = time.monotonic()
    for number in range(events):
        if (ahead := begin + number / rate - time.monotonic()) > 0:
            await asyncio.sleep(ahead)
        key_id = key_ids[number % len(key_ids)]
        positions[key_id] += 1
        await layer.group_send(group_of(key_id), _event(key_id, positions[key_id], number if rounds else 0))
    await layer.flush()


def _many_keys(web: Any, secrets: dict[int, str], *, rate: float, seconds: float) -> int:
    events = int(rate * seconds)
    with _clients(web.port, list(secrets.values()), per_second=200) as latencies:
        processor = _processor_seconds(web.pid)
        began = time.monotonic()
        asyncio.run(_send(list(secrets), rate=rate, events=events, rounds=False))
        took = time.monotonic() - began
        found = latencies(events).get("0", [])
        used = _processor_seconds(web.pid) - processor
    print(f"{len(secrets)} keys, one connection each: {events / took:.0f} events/s, {len(found)} of {events} delivered, {_figures(found)}")
    print(f"  daphne used {used / took:.0%} of a core, {used / max(1, len(found)) * 1000:.2f} ms for each event")
    return events - len(found)


def _one_key(web: Any, connections: int, *, seconds: float) -> int:
    from keys.services import create_key

    key, secret = create_key(name="one for many")
    events = max(1, int(seconds / 2))
    with _clients(web.port, [secret] * connections, per_second=150) as latencies:
        asyncio.run(_send([key.pk], rate=0.5, events=events, rounds=True))
        rounds = latencies(events * connections)
    delivered = sum(len(found) for found in rounds.values())
    print(f"one key, {connections} connections, an event every two seconds: {delivered} of {events * connections} delivered")
    for number, found in sorted(rounds.items(), key=lambda entry: int(entry[0])):
        print(f"  event {number}: {len(found)} delivered, {_figures(found)}")
    return events * connections - delivered


def _figures(latencies: list[float]) -> str:
    ordered = sorted(latencies)
    if not ordered:
        return "nothing measured"
    at = {share: ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.99)}
    return f"p50 {at[0.5]:.1f} ms, p99 {at[0.99]:.1f} ms, max {ordered[-1]:.1f} ms"


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
