"""What is wrong between us and MiniMax, as the tasks tell it."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from conduit.conditions.looking import look
from tasks.models import Task
from tests.conditions.conftest import details
from tests.support.ending import end
from videos import exchanges
from videos.minimax.exchanges import Exchange

pytestmark = pytest.mark.django_db


@pytest.fixture
def tasks(consumer):
    """So many tasks, written so."""

    def make(count, **fields):
        ids = [consumer.generate()["task_id"] for _ in range(count)]
        Task.objects.filter(pk__in=ids).update(**fields)
        return ids

    return make


def told(name):
    look()
    return details(name)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("minimax_key", {"stage": "waiting_for_provider_key"}),
        ("minimax_balance", {"stage": "waiting_for_provider_balance"}),
        ("minimax_reach", {"last_error_code": "provider_error", "attempts": 3}),
        ("minimax_reach", {"last_error_code": "provider_timeout", "attempts": 9}),
    ],
)
def test_tasks_that_wait_say_what_is_wrong_until_they_go_on_or_end(tasks, name, fields):
    assert told(name) == {}
    first, second = tasks(2, **fields)
    tasks(1)

    assert told(name) == {"": "2 tasks wait."}
    Task.objects.filter(pk=first).update(stage="preparing", last_error_code="", attempts=0)
    assert told(name) == {"": "1 task waits."}
    end(second, "failed")
    Task.objects.filter(pk=second).update(**fields)
    assert told(name) == {}


def test_the_code_that_minimax_answered_stands_with_the_tasks_that_wait_for_an_operator(tasks):
    first, second = tasks(2, stage="waiting_for_provider_balance")
    said = {"call": "create", "method": "POST", "path": "/v1/video_generation", "is_error": True, "milliseconds": 9}
    for task_id in (first, second):
        exchanges.record(UUID(task_id), 0, [Exchange(http=200, code=1008, message="insufficient balance", ended_at=0, **said)])

    assert told("minimax_balance") == {"": "2 tasks wait. MiniMax's answer was code 1008 (insufficient balance)."}


def test_one_bad_answer_does_not_mean_that_minimax_is_away(tasks):
    tasks(5, last_error_code="provider_error", attempts=2)

    assert told("minimax_reach") == {}


def test_tasks_that_a_rate_holds_for_long_are_told_by_model(tasks):
    tasks(1, stage="waiting_for_rate_limit", stage_since=timezone.now() - timedelta(seconds=5))
    assert told("minimax_rate") == {}

    tasks(2, stage="waiting_for_rate_limit", stage_since=timezone.now() - timedelta(minutes=1))
    tasks(1, last_error_code="rate_limit", attempts=4, model="minimax-h3")
    assert told("minimax_rate") == {"minimax-video": "2 tasks held.", "minimax-h3": "1 task held."}
