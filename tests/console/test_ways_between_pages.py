"""Where the console's pages lead to."""

import re

import pytest

from conduit.conditions.looking import look
from keys.models import UsageCost
from tasks.models import Task

pytestmark = pytest.mark.django_db


def test_what_waits_for_an_operator_is_a_link_to_just_those_tasks(page, consumer):
    waiting, other = (consumer.generate()["task_id"] for _ in range(2))
    Task.objects.filter(pk=waiting).update(stage="waiting_for_provider_key")
    look()

    found = re.search(r'<a href="/admin/(tasks/\?[^"]*)">1 task waits.</a>', page())

    assert found
    assert waiting in (tasks := page(found[1]))
    assert other not in tasks


def test_a_cost_leads_to_its_task(page, consumer):
    task_id = consumer.generate()["task_id"]
    cost = UsageCost.objects.get(task_id=task_id)

    assert f'href="/admin/tasks/{task_id}/"' in page(f"keys/usagecost/{cost.pk}/change/")


def test_the_page_of_a_cost_says_when_it_was_made(page, consumer):
    cost = UsageCost.objects.get(task_id=consumer.generate()["task_id"])

    assert "field-created_at" in page(f"keys/usagecost/{cost.pk}/change/")
