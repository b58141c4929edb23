"""Webhooks to many endpoints of which some hang and some fail: `python -m tests.bench.webhooks`.

One process sends, as the Procfile's line starts it, to endpoints of one receiver on loopback: 5 % answer nothing, 5 % answer 500. Events
of as many keys are committed one after the other, evenly over the measured time. Says how long the others' took from the commit
to the receipt. Exits with 1 when 99 of 100 took more than two seconds, or any did not come.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench.engine import _prepared, _processor_seconds

ROOT = Path(__file__).resolve().parents[2]
P99_SECONDS = 2.0
WARM_UP_SECONDS = 6.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.webhooks", description=__doc__)
    parser.add_argument("--endpoints", type=int, default=1000)
    parser.add_argument("--events", type=int, default=3000)
    parser.add_argument("--seconds", type=float, default=60.0, help="over which the events are spread (default: 60)")
    wanted = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} before")
    receiver = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.hooked"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert receiver.stdout
    port = int(receiver.stdout.readline())
    with _prepared():
        from tests.support.procfile_processes import ProcfileProcess

        tasks = _fill(wanted.endpoints, port)
        sender = ProcfileProcess("notifications", OUTBOUND_HTTP="true", OUTBOUND_ALLOWED="127.0.0.1:*", CONDUIT_ENV="development")
        try:
            time.sleep(WARM_UP_SECONDS)
            used, began = _processor_seconds(sender.pid), time.monotonic()
            committed = _happen(tasks, wanted.events, wanted.seconds)
            cores = (_processor_seconds(sender.pid) - used) / (time.monotonic() - began)
            time.sleep(2 * P99_SECONDS)
        finally:
            sender.stop()
            came = json.loads(receiver.communicate()[0])
    return _judge(committed, came, cores, wanted)


def _fill(count: int, port: int) -> list[Any]:
    """A key with an endpoint and a task for each; the task's id is in the endpoint's path."""
    from keys.models import VirtualKey
    from tasks.models import Feed, Task
    from tasks.notifications import signing
    from tasks.notifications.event_types import wishes
    from tasks.notifications.models import Endpoint
    from tests.support.finished_videos import PLAN
    from videos.models import Video
    from videos.presentation import KIND

    keys = VirtualKey.objects.bulk_create([VirtualKey(name=f"key {number}") for number in range(count)])
    tasks = Task.objects.bulk_create([Task(key=key, kind=KIND, model="minimax-video", price="0.2") for key in keys])
    Video.objects.bulk_create(
        [
            Video(task=task, prompt="a lighthouse", duration=6, resolution="1280x720", upstream="T2V-01", plan=PLAN.as_json())
            for task in tasks
        ]
    )
    Feed.objects.bulk_create([Feed(key=key, position=1, kept_from=1) for key in keys])
    types = ["task.queued", "task.started", "task.failed", "task.cancelled"]
    secret = signing.fields_of(signing.new_secret())
    kinds = [{0: "hang", 1: "fail"}.get(number % 20, "well") for number in range(count)]
    Endpoint.objects.bulk_create(
        [
            Endpoint(
                key=key, name="a", url=f"http://127.0.0.1:{port}/{kind}/{task.pk}", event_types=types, **wishes(types), **secret
            )
            for key, task, kind in zip(keys, tasks, kinds, strict=True)
        ]
    )  # fmt: skip
    return tasks


def _happen(tasks: list[Any], events: int, seconds: float) -> dict[str, list[float]]:
    """Commit events one after the other, and tell by task when each was."""
    from conduit import clock
    from tasks.models import TaskEvent

    committed: dict[str, list[float]] = {}
    began = time.monotonic()
    for number in range(events):
        time.sleep(max(0.0, began + number * seconds / events - time.monotonic()))
        task = tasks[number % len(tasks)]
        status = ("queued", "processing", "failed", "cancelled")[number // len(tasks) % 4]
        TaskEvent.objects.create(
            task=task, key=task.key, status=status, position=2 + number // len(tasks), is_to_be_told=True, created_at=clock.now()
        )
        committed.setdefault(str(task.pk), []).append(time.time())
    return committed


def _judge(committed: dict[str, list[float]], came: list[list[Any]], cores: float, wanted: argparse.Namespace) -> int:
    received: dict[str, list[float]] = {}
    for path, at in came:
        received.setdefault(path.rpartition("/")[2], []).append(at)
    took = sorted(after - before for task, times in received.items() for before, after in zip(committed[task], times, strict=False))
    expected = sum(len(times) for number, times in enumerate(committed.values()) if number % 20 > 1)
    at = {share: took[min(len(took) - 1, int(share * len(took)))] * 1000 for share in (0.5, 0.9, 0.99)}
    print(
        f"{wanted.endpoints} endpoints, {wanted.events / wanted.seconds:.0f} events/s: {len(took)} of {expected} came, after "
        f"p50 {at[0.5]:.0f} ms, p90 {at[0.9]:.0f} ms, p99 {at[0.99]:.0f} ms, at most {took[-1] * 1000:.0f} ms; {cores:.2f} cores"
    )
    return int(at[0.99] > P99_SECONDS * 1000 or len(took) < expected)


if __name__ == "__main__":
    sys.exit(main())
