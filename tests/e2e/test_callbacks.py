"""MiniMax calls back, through everything there is: daphne, PostgreSQL, Celery, somebody else's MiniMax."""

import time

from tests.e2e.test_generation import ended, generate, task
from tests.support.lookalike_server import Answer
from tests.support.stacks import Elsewhere

# Jobs that are called back for are asked for once a minute: what is known sooner, the callback told. A busy machine takes its time.
SOON_SECONDS = 40
LOST, KNOWN = "a lost ship", "a known ship"


def test_a_finished_job_is_known_by_its_callback_and_so_is_an_order_whose_answer_was_lost(elsewhere: Elsewhere):
    stack, minimax = elsewhere.stack, elsewhere.minimax
    minimax.statuses = ["Processing"]
    minimax.next("create", Answer(cut_after=0, accepted=True), prompt=LOST)
    size = {"duration": 1, "resolution": "720x480"}
    lost, known = generate(stack, LOST, **size), generate(stack, KNOWN, **size)
    stack.until(lambda: (task(stack, lost)["stage"], task(stack, known)["stage"]) == ("reconciling", "generating"))
    jobs = {job.prompt: job for job in minimax.jobs if job.prompt in (LOST, KNOWN)}

    for job in jobs.values():
        assert minimax.call_back(job, "processing") == 200
    stack.until(lambda: task(stack, lost)["stage"] == "generating", SOON_SECONDS)
    minimax.statuses = ["Success"]
    for job in jobs.values():
        fetched = len(minimax.calls("retrieve"))
        began = time.monotonic()
        assert [minimax.call_back(job, status) for status in ("success", "success")] == [200, 200]
        minimax.wait_for("retrieve", fetched + 1, seconds=SOON_SECONDS)
        print(f"known {time.monotonic() - began:.2f} s after its callback")

    assert [ended(stack, task_id)["status"] for task_id in (lost, known)] == ["completed", "completed"]
    assert sorted(create.prompt for create in minimax.creates if create.prompt in (LOST, KNOWN)) == [KNOWN, LOST]
