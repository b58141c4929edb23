"""A create that the key, its team or its state changes under: what holds is what holds at its commit."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command

from conduit import clock
from conduit.api.errors import Conflict, InvalidRequest, Unauthenticated
from keys import budget_owners, services
from keys.authentication import authenticate_secret, check_usable
from keys.models import BudgetWindow, Period, Team, VirtualKey
from keys.services import create_key
from tasks.models import Task
from tests.support.envelopes import refused
from tests.support.racing import in_threads
from videos import views

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

PATH = "/v1/video/generations"
GOOD = {"model": "minimax-video", "prompt": "a cat"}
PRICE = Decimal("0.2")


@pytest.fixture
def meanwhile(monkeypatch):
    """Does something after a call was authenticated and checked, and before it creates."""

    def do(change):
        start = views.start_generation

        def late(**named):
            change()
            return start(**named)

        monkeypatch.setattr(views, "start_generation", late)

    return do


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (lambda key: services.change_key(key, who="root", enabled=False), "api_key_disabled", "disabled"),
        (lambda key: services.delete_key(key, who="root"), "invalid_api_key", "deleted"),
        (
            lambda key: services.change_key(key, who="root", expires_at=clock.now() - timedelta(seconds=1)),
            "api_key_expired",
            "expired",
        ),
    ],
    ids=["disabled", "deleted", "expired"],
)
def test_a_key_that_is_shut_while_its_call_is_on_the_way_creates_nothing(consumer, meanwhile, change, code, words):
    meanwhile(lambda: change(VirtualKey.objects.get(pk=consumer.key.pk)))

    assert words in refused(consumer.post(PATH, GOOD), 401, code)
    assert not Task.objects.exists()


@pytest.mark.parametrize("before", [None, "film"])
@pytest.mark.parametrize("after", [None, "music"])
def test_the_team_that_pays_is_the_one_of_now(consumer, meanwhile, before, after):
    teams = {name: Team.objects.create(name=name) for name in ("film", "music")}
    for team in teams.values():
        budget_owners.add_budget(team, {"period": Period.TOTAL, "amount": PRICE}, who="root")
    services.change_key(consumer.key, who="root", team=teams.get(before))
    meanwhile(lambda: services.change_key(VirtualKey.objects.get(pk=consumer.key.pk), who="root", team=teams.get(after)))

    assert consumer.post(PATH, GOOD).status_code == 202

    paid = list(BudgetWindow.objects.values_list("budget__team__name", "held"))
    assert paid == ([(after, PRICE)] if after else [])
    call_command("check_ledger")


def test_limits_of_tasks_are_those_of_now(consumer, meanwhile):
    consumer.generate()
    meanwhile(lambda: services.change_key(VirtualKey.objects.get(pk=consumer.key.pk), who="root", tasks_in_flight=1))

    refused(consumer.post(PATH, GOOD), 429, "concurrency_limit_exceeded")


def test_a_budget_that_comes_meanwhile_binds(consumer, meanwhile):
    meanwhile(lambda: budget_owners.set_budgets(consumer.key, [{"period": Period.TOTAL, "amount": Decimal("0.1")}], who="root"))

    refused(consumer.post(PATH, GOOD), 402, "insufficient_quota")


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_key_that_joins_a_team_while_it_is_deleted_is_told_or_keeps_it(consumer):
    """Never a broken reference that only the commit finds."""

    for number in range(8):
        team = Team.objects.create(name=f"film {number}")
        budget_owners.set_budgets(team, [{"period": Period.TOTAL, "amount": Decimal(1)}], who="root")

        def answer(work):
            try:
                work()
            except (Conflict, InvalidRequest) as error:
                return error.message
            return "done"

        joined, made, deleted = in_threads(
            lambda team=team: answer(lambda: services.change_key(consumer.key, who="root", team=team)),
            lambda team=team: answer(lambda: create_key(name="bob", team=team, who="root")),
            lambda team=team: answer(lambda: budget_owners.delete_team(team, who="root")),
        )

        if deleted == "done":
            assert "was deleted" in joined
            assert "was deleted" in made
            assert not Team.objects.filter(pk=team.pk).exists()
        else:
            assert "renamed, not deleted" in deleted
            assert "done" in (joined, made)


def test_a_team_that_is_gone_is_named_to_who_joins_it(consumer):

    team = Team.objects.create(name="film")
    Team.objects.all().delete()
    team.pk = 12345

    with pytest.raises(InvalidRequest, match="was deleted"):
        services.change_key(consumer.key, who="root", team=team)


def test_what_is_shut_is_said_in_the_words_of_authentication(consumer):

    services.change_key(consumer.key, who="root", enabled=False)
    with pytest.raises(Unauthenticated) as told:
        check_usable(consumer.key)
    with pytest.raises(Unauthenticated, match=told.value.message):
        authenticate_secret(consumer.secret)
