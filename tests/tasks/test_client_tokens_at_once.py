"""A client token's bounds when creates meet, and when they die."""

import json
import os
from decimal import Decimal

import pytest
from django.core.management import call_command

from keys.models import ClientTokenTask, UsageCost
from tasks.models import Task
from tests.conftest import Consumer
from tests.settings import VALKEY
from tests.support import nursery
from tests.support.client_tokens import with_token
from tests.support.databases import database_url
from tests.support.marks import SOAK_ON_SQLITE
from tests.support.racing import in_threads

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.sqlite,
    *SOAK_ON_SQLITE,
]

AT_ONCE = 6
GOOD = {"model": "minimax-video", "prompt": "a cat"}


@pytest.mark.parametrize("bounds", [{"tasks": 2}, {"tasks": 9, "usd": "0.5"}], ids=["tasks", "usd"])
def test_of_many_creates_at_once_as_many_come_through_as_the_token_may_make(consumer, bounds):
    token = with_token(consumer, create=bounds)

    answers = in_threads(*[lambda: Consumer(token.key, token.secret).post("/v1/video/generations", GOOD)] * AT_ONCE)

    assert sorted(answer.status_code for answer in answers) == [202] * 2 + [402] * (AT_ONCE - 2)
    assert Task.objects.count() == ClientTokenTask.objects.count() == 2
    assert sum(UsageCost.objects.values_list("amount", flat=True)) == Decimal("0.4")
    call_command("check_ledger")


def test_a_create_that_is_killed_anywhere_leaves_a_task_with_its_bound_and_its_hold_or_nothing(consumer, tmp_path):
    token = with_token(consumer, create={"tasks": 2})

    environment = os.environ | {
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "conduit.settings",
        "REDIS_URL": VALKEY.url,
        "CONDUIT_HOME": str(tmp_path),
        "CONDUIT_ENV": "development",
    }
    done = nursery.run(["-m", "tests.support.killed_client_tokens", token.secret], environment, seconds=600)
    assert done.returncode == 0, done.stderr
    answered = [json.loads(line) for line in done.stdout.splitlines()]

    assert answered.count(None) > 6  # they died
    assert answered[-1] == 402
    tasks, made, held = (
        set(rows) for rows in (
            Task.objects.values_list("pk", flat=True),
            ClientTokenTask.objects.values_list("pk", flat=True),
            UsageCost.objects.values_list("task_id", flat=True),
        )
    )  # fmt: skip
    assert tasks == made == held
    assert len(tasks) == 2
    call_command("check_ledger")
