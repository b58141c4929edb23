"""MiniMax calls back, through everything there is: daphne, PostgreSQL, Celery, somebody else's MiniMax."""

import time

import pytest

from tests.e2e.test_generation import ended, generate, task
from tests.support.lookalike_server import Answer
from tests.support.stacks import Elsewhere


@pytest.mark.races_the_clock  # how long a callback takes is what is measured
def test_a_finished_job_is_known_by_its_callback_and_so_is_an_order_whose_answer_was_lost(elsewhere: Elsewhere):
    stack, minimax = elsewhere.stack, elsewhere.minimax
    minimax.statuses = ["Processing"]
    minimax.next("create", Answer(cut_after=0, accepted=True), prompt="a lost ship")
    lost, known = generate(stack, "a lost ship"), generate(stack, "a known ship")
    stack.until(lambda: (task(stack, lost)["stage"], task(stack, known)["stage"]) == ("reconciling", "generating"))
    jobs = {job.prompt: job for job in minimax.jobs if "ship" in job.prompt}

    for job in jobs.values():
        assert minimax.call_back(job, "processing") == 200
    stack.until(lambda: task(stack, lost)["stage"] == "generating")
    # From now on they are asked for once a minute, but for a question that is under way.
    asked = len(minimax.calls("query"))
    time.sleep(1.5)  # nothing is waited for: that nothing more is asked is the point
    assert len(minimax.calls("query")) <= asked + 1

    minimax.statuses = ["Success"]
    waits = []
    for job in jobs.values():
        fetched = len(minimax.calls("retrieve"))
        began = time.monotonic()
        assert [minimax.call_back(job, status) for status in ("success", "success")] == [200, 200]
        minimax.wait_for("retrieve", fetched + 1, seconds=30)
        waits.append(time.monotonic() - began)
    assert max(waits) < 1.5, waits

    assert [ended(stack, task_id)["status"] for task_id in (lost, known)] == ["completed", "completed"]
    assert sorted(create.prompt for create in minimax.creates if "ship" in create.prompt)[-2:] == ["a known ship", "a lost ship"]
