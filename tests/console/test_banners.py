"""What every page of the console says at its top, but for Now, where it is the first part (test_now)."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from conduit.conditions.looking import look
from tasks.models import Task
from tests.support.ending import end

pytestmark = pytest.mark.django_db

SANDBOX = "Videos are made by the built-in look-alike"
PAGES = ["settings/", "tasks/", "keys/virtualkey/add/"]
WAIT = "tasks/?q=stage"


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
        ("waiting_for_provider_key", "Set a MiniMax key that is accepted"),
        ("waiting_for_provider_balance", "Top up the balance or quota"),
    ],
)
def test_tasks_that_wait_for_an_operator_are_told_on_every_page(page, consumer, stage, words):
    for _ in range(2):
        consumer.generate()
    Task.objects.update(stage=stage)
    look()

    for path in PAGES:
        assert f'<a href="/admin/tasks/?q=stage:{stage}">2 tasks wait.</a> Since <time' in page(path)
        assert words in page(path)
    assert page(f"tasks/?q=stage:{stage}").count("<tr data-task=") == 2


def test_what_no_longer_holds_is_no_longer_told(page, consumer):
    task = end(consumer.generate()["task_id"], "failed")
    Task.objects.filter(pk=task.pk).update(stage="waiting_for_provider_key")
    look()

    assert WAIT not in page("settings/")


def test_what_is_only_worth_knowing_is_no_banner(page, consumer):
    consumer.generate()
    Task.objects.update(stage="waiting_for_rate_limit", stage_since=timezone.now() - timedelta(minutes=5))
    look()

    assert "rate limit holds" not in page("settings/")


def test_a_place_at_which_nobody_looks_says_so(page):
    assert "No control process is at work" in page()


def test_who_is_not_logged_in_is_told_nothing_of_the_tasks(consumer):
    consumer.generate()
    Task.objects.update(stage="waiting_for_provider_key")
    look()

    assert "MiniMax key" not in Client().get("/admin/login/").content.decode()
