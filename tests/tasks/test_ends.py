"""One line for each task that ended, with its whole story."""

import pytest
from structlog.testing import capture_logs

from conduit.rollups.jobs import roll_up
from tasks import ends
from tests.support.ending import end
from tests.support.marks import SOAK_ON_SQLITE

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite, *SOAK_ON_SQLITE]


def lines_of(told):
    return [line for line in told if line["event"] == "task ended"]


def test_each_task_that_ended_has_one_line_when_it_is_counted(consumer, django_capture_on_commit_callbacks):
    completed, failed, _ = (consumer.generate()["task_id"] for _ in range(3))
    end(completed, "completed")
    end(failed, "failed")
    with capture_logs() as told, django_capture_on_commit_callbacks(execute=True):
        roll_up()
    with django_capture_on_commit_callbacks(execute=True):
        roll_up()

    lines = {line["task_id"]: line for line in lines_of(told)}
    assert set(lines) == {completed, failed}
    assert (lines[completed]["status"], lines[completed]["log_level"], lines[completed]["charged"]) == ("completed", "info", "0.2000")
    assert (lines[failed]["cause"], lines[failed]["log_level"], lines[failed]["charged"]) == ("provider_error", "warning", "0.0000")


def test_the_line_of_a_video_tells_where_its_time_went_and_nothing_of_what_was_asked_for(consumer, driver, minimax, media):
    task_id = consumer.generate("a secret prompt", metadata={"order": "a secret order"})["task_id"]
    driver.finish(task_id)

    with capture_logs() as told:
        ends.tell([task_id])

    [line] = lines_of(told)
    assert (line["upstream"], line["clips"], line["duration"], line["provider"]) == ("video-01", 1, 6, "minimax")
    assert line["calls"] >= 3
    parts = ("queued_seconds", "at_minimax_seconds", "fetching_seconds", "assembling_seconds", "storing_seconds")
    assert sum(line[part] for part in parts) <= line["seconds"] + 1
    assert line["bytes"] > 1000
    assert "secret" not in str(line)


def test_many_ends_cost_as_many_queries_as_one(consumer, django_assert_num_queries):
    ended = [consumer.generate()["task_id"] for _ in range(4)]
    for task_id in ended:
        end(task_id, "cancelled")

    with django_assert_num_queries(4):
        ends.tell(ended)
