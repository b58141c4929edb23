"""Scarce creates in real time: the whole stack, and a sandbox with two accounts that take ten creates in any minute each."""

import time
from collections.abc import Iterator

import pytest
import requests

from tests.support.running import RunningStack

pytestmark = [pytest.mark.soak, pytest.mark.races_the_clock]

SLOT, SINGLES, HOGS = 3.0, 8, 60
SECONDS = 150
ACCOUNTS = "west=west-key,pace=10;east=east-key,pace=10"
WISH = {"model": "minimax-video", "prompt": "a cat"}


@pytest.fixture
def stack() -> Iterator[RunningStack]:
    running = RunningStack(MINIMAX_TIME_SCALE="0.05", SANDBOX_ACCOUNTS="west=west-key,pace=10;east=east-key,pace=10")
    try:
        running.start()
        yield running
    finally:
        running.close()


def test_others_are_served_in_their_turn_beside_a_hog_and_the_pace_is_used_and_kept(stack):
    admin = {"Authorization": f"Bearer {stack.manage('create_management_key', 'root').strip()}"}
    for one in requests.get(f"{stack.url}/v1/admin/accounts", headers=admin, timeout=30).json()["data"]:
        address = f"{stack.url}/v1/admin/accounts/{one['id']}"
        requests.patch(address, headers=admin, json={"state": "draining"}, timeout=30).raise_for_status()
    for name in ("west", "east"):
        account = {"name": name, "kind": "minimax_v1", "base_url": stack.sandbox_url, "key": f"{name}-key", "creates_per_minute": 10}
        requests.post(f"{stack.url}/v1/admin/accounts", headers=admin, json=account, timeout=30).raise_for_status()
    others = [stack.for_another_key() for _ in range(SINGLES)]
    began = time.monotonic()
    for _ in range(HOGS):
        assert stack.call("POST", "/v1/video/generations", json=WISH).status_code == 202
    stack.until(lambda: stack.sql("SELECT count(*) FROM videos_queuedcreate")[0][0] >= HOGS - 10, every=0.5)
    time.sleep(5)
    created = [other.call("POST", "/v1/video/generations", json=WISH).json() for other in others]
    assert all(task["waiting_for"] == "fair_share" for task in created)
    time.sleep(SECONDS - (time.monotonic() - began))

    waits = dict(
        stack.sql(
            "SELECT t.id::text, extract(epoch FROM c.sent_at - t.created_at)::float FROM tasks_task t "
            "JOIN videos_clip c ON c.video_id = t.id WHERE c.sent_at IS NOT NULL"
        )
    )
    waited = [waits[task["task_id"]] for task in created]
    print("waited", [round(seconds, 1) for seconds in waited], "told", [(task["queue_position"], task["eta_seconds"]) for task in created])
    assert all(seconds <= (rank + 1) * SLOT + 2 for rank, seconds in enumerate(waited, 1))
    [(sent, span)] = stack.sql(
        "SELECT count(*), extract(epoch FROM max(sent_at) - min(sent_at))::float FROM videos_clip WHERE sent_at IS NOT NULL"
    )
    [(refused,)] = stack.sql("SELECT count(*) FROM videos_exchange WHERE call = 'create' AND code IS NOT NULL AND code <> 0")
    print("sent", sent, "in", span, "refused", refused)
    assert sent - 1 >= 0.95 * span / SLOT
    assert refused <= 0.05 * sent
