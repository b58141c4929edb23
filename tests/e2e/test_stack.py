"""The real stack makes a video and survives the death of each of its processes. How it starts and stops: test_demo, tests/stack."""

import json
import subprocess

import pytest
import requests

from tests.support.running import RunningStack

# A second of the smallest takes a seventh of what six seconds of 720p take.
SMALL = {"model": "minimax-video", "prompt": "a lighthouse", "duration": 1, "resolution": "720x480"}
REST = ("web", "valkey", "media", "control", "beat", "sandbox")  # in `make soak`


def _finished(stack: RunningStack, task_id: str) -> bool:
    try:
        return stack.call("GET", f"/v1/tasks/{task_id}").json()["status"] not in ("queued", "processing")
    except requests.RequestException:  # the web process may be the one that was killed
        return False


def test_a_prompt_becomes_a_video_that_can_be_fetched(stack: RunningStack) -> None:
    created = stack.call("POST", "/v1/video/generations", json=SMALL)
    assert created.status_code == 202, created.text
    task_id = created.json()["task_id"]
    stack.until(lambda: _finished(stack, task_id))
    task = stack.call("GET", f"/v1/tasks/{task_id}").json()
    assert task["status"] == "completed", task
    assert requests.get(task["result"]["video_url"], timeout=60).headers["Content-Type"] == "video/mp4"


def test_a_pause_of_sending_holds_new_tasks_until_it_is_ended(stack: RunningStack) -> None:
    admin = {"Authorization": f"Bearer {stack.manage('create_management_key', 'pauses').strip().splitlines()[-1]}"}
    paused = stack.call("POST", "/v1/admin/pauses", json={"kind": "sending"}, headers=admin)
    assert paused.status_code == 201, paused.text
    address = f"/v1/admin/pauses/{paused.json()['id']}"
    try:
        task_id = stack.call("POST", "/v1/video/generations", json=SMALL).json()["task_id"]
        stack.until(lambda: stack.call("GET", f"/v1/tasks/{task_id}").json()["waiting_for"] == "pause")
        stack.until(lambda: stack.call("GET", "/health").json()["conditions"]["paused"] == {"holds": True})
    finally:
        assert stack.call("DELETE", address, headers=admin).status_code == 200
    stack.until(lambda: _finished(stack, task_id))
    assert stack.call("GET", f"/v1/tasks/{task_id}").json()["status"] == "completed"
    stack.until(lambda: stack.call("GET", "/health").json()["conditions"]["paused"] == {"holds": False})


def test_the_stack_allows_its_sandbox_beside_what_it_was_given(stack: RunningStack) -> None:
    assert stack.outbound_allowed == f"minio:9000,{stack.sandbox_url.removeprefix('http://')}"


@pytest.mark.parametrize("name", ["worker", *(pytest.param(name, marks=pytest.mark.soak) for name in REST)])
def test_a_task_completes_although_one_process_is_killed_meanwhile(stack: RunningStack, name: str) -> None:
    stack.until(stack.is_ready)
    # The prompt of all: the sandbox has its clip already.
    created = stack.call("POST", "/v1/video/generations", json=SMALL)
    task_id = created.json()["task_id"]
    stack.until(lambda: stack.call("GET", f"/v1/tasks/{task_id}").json()["stage"] not in ("queued", "preparing"))
    killed = stack.kill(name)
    stack.until_restarted(name, killed)
    stack.until(lambda: _finished(stack, task_id), seconds=120)
    task = stack.call("GET", f"/v1/tasks/{task_id}").json()
    assert task["status"] == "completed", task


def test_the_doctor_finds_the_stack_well(stack: RunningStack) -> None:
    try:
        said = stack.manage("doctor", "--json", CONDUIT_ENV="development", OUTBOUND_ALLOWED="")
    except subprocess.CalledProcessError as error:
        said = error.stdout  # what other tests left, such as an order whose answer was lost, is a condition that holds

    findings = json.loads(said)["findings"]
    ill = [one for one in findings if one["status"] in ("degraded", "unavailable")]
    well = [one for one in findings if one not in ill]
    # Of those three, what other tests left may be ill: orders whose answers were lost, processes that they killed, accounts of their own.
    assert {one["about"] for one in ill} <= {"conditions", "processes", "MiniMax"}
    assert "MiniMax" in {one["about"] for one in well}
    at_work = " ".join(one["says"] for one in well if one["about"] == "processes")
    for kind in ("provider", "media", "control", "notifications", "beat"):
        assert f"{kind}@" in at_work
