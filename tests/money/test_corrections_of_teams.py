"""Corrections of keys that changed teams since they spent."""

import threading
from decimal import Decimal

import pytest
from django.core.management import call_command

from keys import budget_owners, corrections, ledger
from keys.models import UsageCost
from keys.services import change_key
from tests.support.ending import end
from tests.support.racing import in_threads

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def test_refunds_of_two_keys_that_swapped_their_teams_do_not_wait_for_each_other_in_a_circle(make_consumer, monkeypatch):
    budget = {"period": "total", "amount": Decimal(5)}
    teams = [budget_owners.create_team(name=name, budgets=[budget], who="root") for name in ("film", "music")]
    consumers = [make_consumer(name) for name in ("ann", "bob")]
    for consumer, team in zip(consumers, teams, strict=True):
        change_key(consumer.key, who="root", team=team)
    charged = [end(consumer.generate()["task_id"], "completed") for consumer in consumers]
    for consumer, team in zip(consumers, reversed(teams), strict=True):
        change_key(consumer.key, who="root", team=team)
    both_began, refund = threading.Barrier(2), ledger.refund

    def once_both_began(**named):
        both_began.wait(60)
        return refund(**named)

    monkeypatch.setattr(ledger, "refund", once_both_began)

    def correct(number):
        wanted = {"key": consumers[number].key, "task_id": charged[number].pk, "amount": Decimal("0.2")}
        return corrections.correct(entry="refund", who="root", why="blurred", **wanted)

    in_threads(lambda: correct(0), lambda: correct(1))

    assert UsageCost.objects.filter(entry="refund").count() == 2
    call_command("check_ledger")
