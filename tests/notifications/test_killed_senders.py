"""SIGKILL at any moment: each event arrives at least once under its one id, and no more often than the kills explain"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tasks.notifications.models import Delivery, State
from tests.support.databases import database_url

ROOT = Path(__file__).resolve().parents[2]
TASKS = 20

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture
def senders():
    environment = os.environ | {
        "DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "conduit.settings", "LOG_LEVEL": "ERROR", "LEASE_SECONDS": "2",
        "OUTBOUND_HTTP": "true", "OUTBOUND_ALLOWED": "127.0.0.1:*",
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.killed_senders"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.communicate(timeout=120)


@pytest.mark.parametrize("kills", [6, pytest.param(20, marks=pytest.mark.soak)])
def test_kills_lose_nothing_and_double_little(kills, consumer, receiver, make_endpoint, senders):
    chance = random.Random(20261129)
    for path in ("/a", "/b"):
        make_endpoint(path, "task.queued", "task.cancelled", key=consumer.key)
        receiver.delays[path] = 0.02
    ids = [consumer.generate()["task_id"] for _ in range(TASKS)]
    for task_id in ids:
        consumer.delete(f"/v1/video/generations/{task_id}")

    for _ in range(kills):
        pid = int(senders.stdout.readline())
        time.sleep(chance.uniform(0.01, 0.25))
        os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 180
    while Delivery.objects.exclude(state=State.DELIVERED).exists() or Delivery.objects.count() < 4 * TASKS:
        assert time.monotonic() < until, Counter(Delivery.objects.values_list("state", flat=True))
        time.sleep(0.1)

    came = Counter((one.path, one.event["data"]["task_id"], one.event["type"]) for one in receiver.received)
    assert set(came) == {(path, task_id, type) for path in ("/a", "/b") for task_id in ids for type in ("task.queued", "task.cancelled")}
    names = {(one.path, one.event["data"]["task_id"], one.event["type"], one.id) for one in receiver.received}
    assert len(names) == len(came)
    # A kill doubles at most what was under way: four connections to each receiver.
    assert sum(came.values()) - len(came) <= kills * 8
    assert max(came.values()) <= kills + 1
    for path in ("/a", "/b"):
        order = [(one.event["data"]["task_id"], one.event["type"]) for one in receiver.received if one.path == path]
        firsts = {each: order.index(each) for each in order}
        assert all(firsts[task_id, "task.queued"] < firsts[task_id, "task.cancelled"] for task_id in ids)
