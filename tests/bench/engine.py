"""`make bench-engine`: what it costs to ask how many jobs go, and how exactly they keep their time.

So many jobs are in flight on PostgreSQL, each asked for every ten seconds by one worker process that the Procfile's line starts. Late
is a question by what passed between MiniMax's answer and the next question for the job, beyond those ten seconds: what is told
includes the time that the answer took to be written. Then MiniMax calls back for all of them, some end one after the other, and an event
stream of a web process tells that the task has ended. They end by being refused, so that no media has to be made. Exits with 1 when 99 of
100 questions were later than 250 ms, cost more than a core, or 99 of 100 ends were told later than a second.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PERIOD = 10.0
LATE_MS_MAX, CORES_MAX = 250.0, 1.0
# Jobs that end while the others run, and the seconds between two.
ENDING, ENDING_EVERY, TOLD_MS_MAX = 200, 0.1, 1000.0
FIRST_JOB = 310_000_000_000_000
WARM_UP_SECONDS = 15.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.engine", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000, help="in flight (default: 10,000)")
    parser.add_argument("--seconds", type=float, default=60.0, help="measured (default: 60)")
    parser.add_argument("--answers-in", type=float, default=0.05, help="seconds that MiniMax takes for an answer (default: 0.05)")
    wanted = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} before")
    with _prepared(), _provider(wanted.answers_in) as (port, tell), _worker(port) as worker:
        secret = _fill(wanted.jobs)
        time.sleep(WARM_UP_SECONDS)
        tell("report")
        missed = _measure(worker, tell, wanted)
        return _measure_streams(tell, secret) or missed


def _measure(worker: Any, tell: Any, wanted: argparse.Namespace) -> int:
    processor, began = _processor_seconds(worker.pid), time.monotonic()
    time.sleep(wanted.seconds)
    took = time.monotonic() - began
    cores = (_processor_seconds(worker.pid) - processor) / took
    told = tell("report")
    late = sorted(told["late"])
    if not late:
        print(f"nothing was asked. The worker says:\n{worker.log[-3000:]}", file=sys.stderr)
        return 1
    at = {share: late[min(len(late) - 1, int(share * len(late)))] for share in (0.5, 0.9, 0.99)}
    print(
        f"{wanted.jobs} jobs in flight, answers after {wanted.answers_in * 1000:.0f} ms: {len(late) / took:.0f} questions/s, late by "
        f"p50 {at[0.5]:.0f} ms, p90 {at[0.9]:.0f} ms, p99 {at[0.99]:.0f} ms, at most {late[-1]:.0f} ms"
    )
    print(
        f"  one worker process: {cores:.2f} cores, {cores * took / len(late) * 1000:.2f} ms for each question, "
        f"{_memory(worker.pid):.0f} MB, {told['connections']} connections to MiniMax"
    )
    return int(at[0.99] > LATE_MS_MAX or cores > CORES_MAX or len(late) < 0.9 * wanted.jobs * took / PERIOD)


def _measure_streams(tell: Any, secret: str) -> int:
    """How long after a job's end, of which MiniMax calls back, a stream tells the task's."""
    import requests

    from conduit import clock
    from tests.support.web import Web
    from videos.callbacks.addresses import ROOT, url_of
    from videos.models import Clip

    # MiniMax has called back for all of them before, when they began: after one more question each is asked for once a minute.
    Clip.objects.update(pushed_at=clock.now())
    time.sleep(PERIOD + 1)
    clips = list(Clip.objects.order_by("provider_task_id")[:ENDING])
    web = Web().start()
    try:
        told = Told(f"{web.url}/v1/events?access_token={secret}")
        ended_at: dict[str, float] = {}
        for clip in clips:
            time.sleep(ENDING_EVERY)
            tell(f"fail {clip.provider_task_id}")
            tell("report")  # answered in order: it knows by now
            ended_at[str(clip.video_id)] = time.monotonic()
            said = {"task_id": clip.provider_task_id, "status": "failed", "base_resp": {"status_code": 1027}}
            requests.post(web.url + ROOT + url_of(clip, number=clip.creates).rpartition(ROOT)[2], json=said, timeout=30).raise_for_status()
        told.wait_for(set(ended_at), seconds=30)
    finally:
        web.stop()
    took = sorted((told.at.get(task, float("inf")) - ended) * 1000 for task, ended in ended_at.items())
    p99 = took[int(0.99 * len(took))]
    print(f"  ended at MiniMax, called back -> told by an event stream: p50 {took[len(took) // 2]:.0f} ms, p99 {p99:.0f} ms of {len(took)}")
    return int(p99 > TOLD_MS_MAX)


class Told:
    """An event stream that is read; `at`: when a task's end was told, on the monotonic clock."""

    def __init__(self, url: str) -> None:
        import requests

        self.at: dict[str, float] = {}
        self._answer = requests.get(url, stream=True, timeout=60)
        self._answer.raise_for_status()
        threading.Thread(target=self._read, daemon=True).start()

    def wait_for(self, tasks: set[str], *, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not tasks <= self.at.keys() and time.monotonic() < until:
            time.sleep(0.05)

    def _read(self) -> None:
        for line in self._answer.iter_lines(chunk_size=None):
            if line.startswith(b"data:"):
                task = json.loads(line.removeprefix(b"data:")).get("task") or {}
                if task.get("status") == "failed":
                    self.at.setdefault(task["task_id"], time.monotonic())


@contextmanager
def _prepared() -> Iterator[None]:
    os.environ.pop("CONDUIT_TEST_DATABASE", None)
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    import django

    django.setup()
    import psycopg
    from django.core.management import call_command

    from tests import settings as test_settings

    with psycopg.connect(test_settings.POSTGRES.url(), autocommit=True) as server:
        server.execute("CREATE DATABASE conduit")
    call_command("migrate", verbosity=0)
    yield


@contextmanager
def _provider(answers_in: float) -> Iterator[Any]:
    from conduit.stack.ports import free_port

    port = free_port()
    command = [sys.executable, "-m", "tests.bench.provider", str(port), str(answers_in), str(PERIOD)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    stdin, stdout = process.stdin, process.stdout
    stdout.readline()

    def tell(order: str) -> Any:
        stdin.write(order + "\n")
        stdin.flush()
        return json.loads(stdout.readline()) if order == "report" else None

    try:
        yield port, tell
    finally:
        process.kill()
        process.wait()


@contextmanager
def _worker(port: int) -> Iterator[Any]:
    from tests.support.procfile_processes import ProcfileProcess

    worker = ProcfileProcess(
        "worker",
        MINIMAX_BASE_URL=f"http://127.0.0.1:{port}",
        MINIMAX_API_KEY="bench",
        MINIMAX_POLL_SECONDS=str(PERIOD),
        OUTBOUND_ALLOWED="127.0.0.1:*",
        CONDUIT_ENV="development",
    )
    try:
        yield worker
    finally:
        worker.kill()


def _fill(jobs: int) -> str:
    """Tasks whose jobs run, due one after the other over the period; the secret of the key of those that end."""
    from django.db import connection

    from conduit import clock
    from keys.models import UsageCost
    from keys.services import create_key
    from tasks.models import Feed, Lane, Status, Task
    from tests.support.finished_videos import PLAN
    from videos.account_models import ProviderAccount
    from videos.models import Clip, ClipState, Video
    from videos.presentation import KIND

    # A stream begins with all tasks of its key that go on.
    ending, secret = create_key(name="ending")
    others, _ = create_key(name="others")
    Feed.objects.create(key=ending, position=1, kept_from=2)  # as if the events of these tasks were forgotten
    account = ProviderAccount.objects.environments("minimax_v1")
    now = clock.now()
    started = {"status": Status.PROCESSING, "stage": "generating", "started_at": now, "progress": 2, "leg_goal": 95, "leg_seconds": 600}
    tasks = [
        Task(
            key=ending if number < ENDING else others, kind=KIND, model="minimax-video", price="0.2", lane=Lane.ASKING,
            next_step_at=now + timedelta(days=1), **started,
        )
        for number in range(jobs)
    ]  # fmt: skip
    Task.objects.bulk_create(tasks, batch_size=1000)
    held = {"task_kind": KIND, "model": "minimax-video", "entry": UsageCost.Entry.HOLD, "amount": "0.2"}
    UsageCost.objects.bulk_create([UsageCost(key=task.key, task_id=task.pk, **held) for task in tasks], batch_size=1000)
    Video.objects.bulk_create(
        [
            Video(task=task, prompt="a lighthouse", duration=6, resolution="1280x720", upstream="T2V-01", plan=PLAN.as_json())
            for task in tasks
        ],
        batch_size=1000,
    )
    of_clip = {"api": "v1", "upstream": "T2V-01", "seconds": 6, "resolution": "720P", "cost": "0.43", "expected_seconds": 600}
    of_clip |= {"state": ClipState.SUBMITTED, "sent_at": now, "submitted_at": now, "seen_running_at": now, "account": account}
    Clip.objects.bulk_create(
        [Clip(video_id=task.pk, number=0, provider_task_id=str(FIRST_JOB + number), **of_clip) for number, task in enumerate(tasks)],
        batch_size=1000,
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        cursor.execute("UPDATE tasks_task SET next_step_at = now() + make_interval(secs => 1 + random() * %s)", [PERIOD])
    return secret


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024**2


if __name__ == "__main__":
    sys.exit(main())
