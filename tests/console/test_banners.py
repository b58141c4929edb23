"""What every page of the console says at its top."""

import pytest
from django.test import Client

from tasks.models import Task
from tests.support.ending import end

pytestmark = pytest.mark.django_db

SANDBOX = "Videos are made by the built-in look-alike"
PAGES = ["", "tasks/task/", "keys/virtualkey/add/"]
WAIT = "for you to"


@pytest.mark.parametrize("path", PAGES)
def test_a_sandbox_says_so_on_every_page(page, settings, path):
    settings.MINIMAX_SANDBOX = True

    assert SANDBOX in page(path)


@pytest.mark.parametrize("path", PAGES)
def test_the_real_minimax_needs_no_banner(page, path):
    assert SANDBOX not in page(path)
    assert WAIT not in page(path)


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ("waiting_for_provider_key", "2 tasks</a> wait for you to set a MiniMax key that is accepted"),
        ("waiting_for_provider_balance", "2 tasks</a> wait for you to top up the balance or quota"),
    ],
)
def test_tasks_that_wait_for_an_operator_are_told_on_every_page(page, consumer, stage, words):
    for _ in range(2):
        consumer.generate()
    Task.objects.update(stage=stage)

    assert all(words in page(path) for path in PAGES)


def test_one_task_that_waits_is_told_in_good_english(page, consumer):
    consumer.generate()
    Task.objects.update(stage="waiting_for_provider_key")

    assert "1 task</a> waits for you to set a MiniMax key" in page()


def test_tasks_that_waited_and_ended_are_no_longer_told(page, consumer):
    task = end(consumer.generate()["task_id"], "failed")
    Task.objects.filter(pk=task.pk).update(stage="waiting_for_provider_key")

    assert WAIT not in page()


def test_who_is_not_logged_in_is_told_nothing_of_the_tasks(consumer):
    consumer.generate()
    Task.objects.update(stage="waiting_for_provider_key")

    assert "MiniMax key" not in Client().get("/admin/login/").content.decode()
