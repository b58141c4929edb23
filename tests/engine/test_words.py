"""MiniMax's words for how a job stands, and a proxy's."""

import pytest

from conduit.conditions.looking import look
from tasks.models import Task
from tests.conditions.conftest import details
from tests.support.lookalike import Answer
from videos import conditions
from videos.models import Clip, ClipState

pytestmark = pytest.mark.django_db

DONE = ["Success", "succeeded", "Succeed", "COMPLETED", "Finished", " done "]
FAILED = ["Fail", "failed", "failure", "Error", "Canceled", "cancelled", "EXPIRED", "Timeout", "Unknown"]


@pytest.fixture(autouse=True)
def no_word_was_met(monkeypatch):
    monkeypatch.setattr(conditions, "_met", {})


def asked(consumer, driver, minimax, *answers, **wanted):
    """A task whose job was asked for so often, each time with that answer."""
    minimax.next("query", *answers)
    task_id = consumer.generate(**wanted)["task_id"]
    driver.until(task_id, ClipState.SUBMITTED)
    for _ in answers:
        task = driver.step(task_id)
    return task


@pytest.mark.parametrize("word", DONE)
def test_a_word_for_done_counts_when_a_file_id_comes_with_it(consumer, driver, minimax, word):
    task = asked(consumer, driver, minimax, Answer(fields={"status": word, "file_id": "123456789"}))

    clip = Clip.objects.get(video=task.pk)
    assert (clip.state, clip.file_id) == (ClipState.MADE, "123456789")


@pytest.mark.parametrize("word", FAILED)
def test_a_word_for_failed_ends_the_task_and_bills_nothing(consumer, driver, minimax, word):
    task = asked(consumer, driver, minimax, Answer(fields={"status": word}))

    assert (task.status, task.error_code) == ("failed", "provider_error")
    assert Clip.objects.get(video=task.pk).billed == 0


@pytest.mark.parametrize(
    ("word", "told"), [("Reticulating", "reticulating"), ("Success", "success, without a file"), ("", "an empty word")]
)
def test_any_other_word_means_still_running_and_is_told_to_the_operator(consumer, driver, minimax, word, told):
    answer = Answer(fields={"status": word, "file_id": ""})
    task = asked(consumer, driver, minimax, answer, answer)

    assert (task.stage, task.attempts, Clip.objects.get(video=task.pk).state) == ("generating", 0, ClipState.SUBMITTED)
    look()
    assert details("minimax_words") == {told: f"The first was task {task.pk}."}
    driver.until(str(task.pk), ClipState.MADE)


def test_a_word_that_is_not_known_is_logged_once(consumer, driver, minimax, caplog):
    minimax.always("query", Answer(fields={"status": "Reticulating"}))

    for _ in range(2):
        asked(consumer, driver, minimax, *[Answer(fields={"status": "Reticulating"})] * 2)

    assert sum("word for a job's status" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b'{"status": "error", "message": "upstream is busy"}'),
        Answer(body=b'{"status": "error"}', http=502),
        Answer(fields={"status": "Unknown"}, code=1002),
        Answer(fields={"status": "timeout"}, code=1001),
    ],
)
def test_a_proxys_word_on_the_call_is_none_on_the_job(consumer, driver, minimax, answer):
    task = asked(consumer, driver, minimax, answer)

    assert Task.objects.get(pk=task.pk).is_active
    driver.until(str(task.pk), ClipState.MADE)


@pytest.mark.parametrize(("word", "state"), [("Completed", ClipState.MADE), ("Warming", ClipState.SUBMITTED)])
def test_version_2_is_read_likewise_with_a_link_in_the_place_of_a_file_id(consumer, driver, minimax, word, state):
    minimax.statuses_v2 = [word] if state == ClipState.SUBMITTED else ["running"]
    task_id = consumer.generate(model="minimax-h3", duration=4)["task_id"]
    driver.until(task_id, ClipState.SUBMITTED)
    if state == ClipState.MADE:
        job = minimax.jobs[0].task_id
        record = {"id": job, "status": word, "content": {"url": "https://files.example/v.mp4"}}
        minimax.next("query", Answer(fields={"task": record}))

    driver.step(task_id)

    assert Clip.objects.get(video=task_id).state == state
    look()
    assert set(details("minimax_words")) == ({"warming"} if state == ClipState.SUBMITTED else set())
