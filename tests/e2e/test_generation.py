"""From a prompt to a playable video, through everything there is: daphne, Celery, Valkey, the sandbox."""

import io
import itertools
import time
from typing import Any

import av
import pytest
import requests

from tests.support.clips import make_mp4
from tests.support.lookalike_server import Answer
from tests.support.running import RunningStack
from tests.support.stacks import Elsewhere


def generate(stack: RunningStack, prompt: str = "a lighthouse", **wanted: object) -> str:
    """A new task, as short and small as there is unless something else is wanted, which takes a seventh of six seconds of 720p.

    The sandbox draws a clip for each prompt: a second for one that no other test has.
    """
    small = {"model": "minimax-video", "prompt": prompt, "duration": 1, "resolution": "720x480"}
    answer = stack.call("POST", "/v1/video/generations", json=small | wanted)
    assert answer.status_code == 202, answer.text
    return answer.json()["task_id"]


def task(stack: RunningStack, task_id: str) -> dict[str, Any]:
    return stack.call("GET", f"/v1/tasks/{task_id}").json()


def ended(stack: RunningStack, task_id: str, seconds: float = 120) -> dict[str, Any]:
    stack.until(lambda: task(stack, task_id)["status"] in ("completed", "failed", "cancelled"), seconds)
    return task(stack, task_id)


def test_the_links_of_a_finished_task_play_without_a_header(stack: RunningStack):
    result = ended(stack, generate(stack, duration=6, resolution="1280x720"))["result"]

    whole = requests.get(result["video_url"], timeout=60)
    part = requests.get(result["video_url"], headers={"Range": "bytes=0-99"}, timeout=60)
    head = requests.head(result["video_url"], timeout=60)
    thumbnail = requests.get(result["thumbnail_url"], timeout=60)

    assert (whole.status_code, part.status_code, head.status_code, thumbnail.status_code) == (200, 206, 200, 200)
    assert whole.content[:100] == part.content
    assert len(whole.content) == result["size_bytes"] == int(head.headers["Content-Length"])
    # The index stands in front of the pictures: a player may begin with the first bytes.
    assert whole.content.index(b"moov") < whole.content.index(b"mdat")
    with av.open(io.BytesIO(whole.content)) as video:
        frames = sum(1 for _ in video.decode(video=0))
        stream = video.streams.video[0]
        assert (stream.width, stream.height, frames) == (1280, 720, 150)
    assert thumbnail.headers["Content-Type"] == "image/jpeg"
    with av.open(io.BytesIO(thumbnail.content)) as picture:
        assert (picture.streams.video[0].width, picture.streams.video[0].height) == (1280, 720)


@pytest.mark.races_the_clock  # progress is read off the clock, and by it
@pytest.mark.soak  # a minute and more of real time: tests/engine/test_progress.py has what it promises at a moved clock
def test_progress_is_true_to_minimax_s_job_once_one_of_that_kind_has_finished(elsewhere: Elsewhere):
    stack, minimax = elsewhere.stack, elsewhere.minimax
    # Half a minute for a job: a second that a busy machine takes to answer is three points of its progress.
    job_seconds = 30.0
    # No other test's jobs are of this kind.
    kind = {"model": "minimax-hailuo-02", "duration": 6}
    minimax.video = lambda job: make_mp4(320, 180, 6)
    samples: list[tuple[float, int, str, int | None]] = []
    off: list[float] = []

    def done(prompt: str) -> float:
        """The share of its time that a job has had; it succeeds when that is over."""
        shares = [(time.time() - job.created_at) / job_seconds for job in list(minimax.jobs) if job.prompt == prompt]
        minimax.statuses = ["Success"] if shares and shares[0] >= 1 else ["Processing"]
        return shares[0] if shares else 0.0

    def over() -> bool:
        now, share = task(stack, second), done("the second one")
        if now["status"] not in ("queued", "processing"):
            return True
        samples.append((time.monotonic(), now["progress"], now["stage"], now["eta_seconds"]))
        if 0 < share < 1:
            off.append(abs(now["progress"] - 100 * share))
        return False

    first = generate(stack, "the first one", **kind)
    stack.until(lambda: done("the first one") >= 1, seconds=2 * job_seconds, every=0.1)
    ended(stack, first)
    done("the second one")
    second = generate(stack, "the second one", **kind)
    stack.until(over, seconds=4 * job_seconds, every=0.5)

    progress = [sample[1] for sample in samples]
    assert progress == sorted(progress)
    assert max(progress) < 100
    assert len(off) > 20
    assert max(off) <= 15
    changes = [samples[0][0]] + [later[0] for earlier, later in itertools.pairwise(samples) if earlier[1:] != later[1:]]
    assert max(later - earlier for earlier, later in itertools.pairwise(changes)) < 5


def jobs(stack: RunningStack) -> list[dict[str, Any]]:
    answer = requests.get(f"{stack.sandbox_url}/sandbox/jobs", timeout=60).json()
    return answer["data"] if isinstance(answer, dict) else answer


def test_faults_that_pass_are_overcome(stack: RunningStack):
    faults = "[sandbox: create status=1000 times=2; query http=500 times=2; download cut]"
    assert ended(stack, generate(stack, f"a fish {faults}"))["status"] == "completed"


@pytest.mark.parametrize(
    ("prompt_fault", "code"),
    [
        ("[sandbox: fail=1027]", "content_policy_violation"),
        ("[sandbox: create status=2013]", "invalid_request"),
    ],
)
def test_a_fault_that_is_final_ends_as_a_failed_task_that_can_be_retried(stack: RunningStack, prompt_fault: str, code: str):
    failed = ended(stack, generate(stack, f"a bird {prompt_fault}"))

    assert (failed["status"], failed["error_code"], failed["cost"]["charged"]) == ("failed", code, "0.0000")
    retried = stack.call("POST", f"/v1/video/generations/{failed['task_id']}/retry")
    assert (retried.status_code, retried.json()["retry_of"]) == (202, failed["task_id"])


def test_a_cancelled_task_stays_cancelled(elsewhere: Elsewhere):
    stack, minimax = elsewhere.stack, elsewhere.minimax
    minimax.always("query", Answer(status="Processing"), prompt="a ship that is under way")
    task_id = generate(stack, "a ship that is under way")
    stack.until(lambda: task(stack, task_id)["status"] == "processing")

    cancelled = stack.call("DELETE", f"/v1/video/generations/{task_id}").json()
    ended(stack, generate(stack, "a ship that is made after it"))

    assert cancelled["status"] == "cancelled"
    assert task(stack, task_id) == cancelled


def test_the_whole_stack_works_with_somebody_elses_minimax(elsewhere: Elsewhere):
    elsewhere.minimax.video = lambda job: make_mp4(1280, 720, 6.0)
    prompt = "a ship of somebody else's"

    done = ended(elsewhere.stack, generate(elsewhere.stack, prompt, duration=6, resolution="1280x720"))

    assert (done["status"], done["result"]["width"], done["result"]["duration"]) == ("completed", 1280, 6.0)
    assert len([create for create in elsewhere.minimax.creates if create.prompt == prompt]) == 1


def test_what_happens_is_counted_within_seconds_by_the_processes_that_run(stack: RunningStack):
    counted = {
        (table, column, condition)
        for table, column, condition in (
            ("tasks_taskcount", "count", "status = 'completed'"),
            ("keys_moneycount", "tasks", "model <> ''"),
            ("videos_billedcount", "jobs", "upstream <> ''"),
            ("videos_makingtime", "count", "upstream <> ''"),
            ("videos_callcount", "count", "call = 'create' AND upstream <> '' AND answer = 'fine'"),
            ("videos_callcount", "count", "call = 'query' AND upstream <> '' AND answer = 'fine'"),
            ("videos_calltime", "count", "upstream <> ''"),
        )
    }

    def count(table: str, column: str, condition: str) -> int:
        return stack.sql(f"SELECT COALESCE(SUM({column}), 0) FROM {table} WHERE step = 60 AND {condition}")[0][0]

    before = {of: count(*of) for of in counted}
    assert ended(stack, generate(stack))["status"] == "completed"

    for of in before:
        stack.until(lambda of=of: count(*of) > before[of])
