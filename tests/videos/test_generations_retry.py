"""POST /v1/video/generations/{id}/retry"""

from decimal import Decimal

import pytest

from tasks.models import Task
from tests.support.ending import end
from tests.support.envelopes import refused
from videos.models import BlockedTerm, VideoModel

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

SAME = ("model", "prompt", "duration", "resolution", "aspect_ratio", "metadata")


def retry(consumer, task_id):
    return consumer.post(f"/v1/video/generations/{task_id}/retry")


@pytest.fixture
def failed(consumer):
    wanted = {"duration": 10, "aspect_ratio": "3:2", "metadata": {"order": "7"}}
    return str(end(consumer.generate("a cat", **wanted)["task_id"], "failed").pk)


def test_a_failed_task_is_retried_as_a_new_one_and_stays_as_it_is(consumer, failed, ledger):
    before, money = consumer.task(failed), ledger(failed)

    answer = retry(consumer, failed)

    new = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/tasks/{new['task_id']}"
    assert new["task_id"] != failed
    assert (new["status"], new["retry_of"], new["error"], new["error_code"]) == ("queued", failed, None, None)
    assert {name: new[name] for name in SAME} == {name: before[name] for name in SAME}
    assert consumer.task(new["task_id"])["retry_of"] == failed
    assert (consumer.task(failed), ledger(failed)) == (before, money)


def test_a_retry_costs_todays_price(consumer, failed, ledger):
    model = VideoModel.objects.get(name="video-01")
    model.base_price = Decimal("0.6000")
    model.save(update_fields=["base_price"])

    new = retry(consumer, failed).json()

    assert new["cost"]["estimated"] == "0.8000"  # 0.60 x 10/6 x 0.8
    assert ledger(new["task_id"]) == [("hold", Decimal("0.8"))]
    assert consumer.task(failed)["cost"]["estimated"] == "0.2667"


def test_a_retry_that_failed_can_be_retried(consumer, failed):
    second = retry(consumer, failed).json()["task_id"]
    end(second, "failed")

    assert retry(consumer, second).json()["retry_of"] == second


def test_each_retry_is_a_task_of_its_own(consumer, failed):
    assert retry(consumer, failed).json()["task_id"] != retry(consumer, failed).json()["task_id"]


@pytest.mark.parametrize("status", ["queued", "completed", "cancelled"])
def test_a_task_that_did_not_fail_is_not_retryable(consumer, status):
    task_id = consumer.generate()["task_id"]
    if status != "queued":
        end(task_id, status)

    assert status in refused(retry(consumer, task_id), 409, "task_not_retryable")
    assert Task.objects.count() == 1


def test_a_retry_obeys_the_terms_that_were_listed_meanwhile(consumer, failed):
    BlockedTerm.objects.create(term="cat")

    assert "content policy" in refused(retry(consumer, failed), 400, "content_policy_violation", "prompt")
    assert Task.objects.count() == 1


def test_a_retry_of_a_model_that_was_disabled_meanwhile_is_404(consumer, failed):
    VideoModel.objects.update(enabled=False)

    refused(retry(consumer, failed), 404, "model_not_found", "model")


def test_a_retry_costs_at_most_two_queries_more_than_a_create(consumer, failed, django_assert_max_num_queries):
    with django_assert_max_num_queries(13):
        retry(consumer, failed)
