"""The processes of a worker's pool: none is lost sight of, with a broker or without."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from conduit.stack.lifeline import tied
from tests.support.valkey import ValkeyForTests

ROOT = Path(__file__).resolve().parents[2]
# A busy machine starts it in twenty seconds.
PATIENCE_SECONDS = 90.0


@pytest.fixture
def valkey() -> Iterator[ValkeyForTests]:
    server = ValkeyForTests()
    yield server
    server.stop()


def test_a_process_that_ends_unseen_while_the_broker_is_away_is_replaced_and_one_that_takes_no_job_too(valkey, tmp_path):
    command = tied([sys.executable, "-m", "tests.conduit.pool_without_broker", valkey.url])
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True) as worker:
        late = threading.Timer(PATIENCE_SECONDS, worker.kill)
        late.start()
        try:
            said = (line for line in worker.stdout or () if line.startswith("done"))
            assert next(said, None) == "done 1\n", "the job is not done without a broker"
            valkey.start()
            assert list(said) == ["done 2\n", "done 3\n"], (tmp_path / "log").read_text()
            assert worker.wait() == 0
        finally:
            late.cancel()
            worker.kill()
