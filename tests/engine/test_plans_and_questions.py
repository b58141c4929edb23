"""A model that an account's plan does not have, and an account that is asked too often."""

from datetime import timedelta

import pytest

from conduit import clock
from conduit.conditions.looking import look
from tasks.models import Task
from tests.conditions.conftest import details
from tests.support.accounts import add_account, without_the_environments
from tests.support.lookalike import Answer, LookAlike
from tests.support.racing import in_threads
from videos.account_models import ProviderAccount
from videos.accounts import asking, plans, rules
from videos.models import Clip, ClipState

pytestmark = pytest.mark.django_db

NOT_IN_PLAN = Answer(code=2061)


@pytest.fixture
def west(minimax, driver, settings, time_travel):
    """The one account; pauses are real, and the clock stands."""
    settings.RETRY_SECONDS, settings.MINIMAX_POLL_SECONDS = 2.0, 10.0
    time_travel.move_to(clock.now(), tick=False)
    without_the_environments()
    return add_account("west", minimax.url, minimax.key)


@pytest.fixture
def east(driver):
    with LookAlike(key="east-key") as server:
        yield server


def now_of(account):
    return ProviderAccount.objects.get(pk=account.pk)


def ordered(consumer, driver, **wanted):
    task_id = consumer.generate(**wanted)["task_id"]
    driver.step(task_id)
    return task_id


# ---- Models that are not in the plan --------------------------------------------------------------------------------------


def test_a_model_that_is_not_in_the_plan_is_set_aside_at_that_account_alone(consumer, driver, minimax, west):
    minimax.next("create", NOT_IN_PLAN)
    task_id = ordered(consumer, driver, model="minimax-hailuo-02")
    other = ordered(consumer, driver)

    assert consumer.task(task_id)["stage"] == "waiting_for_provider_key"
    assert (now_of(west).cause, list(now_of(west).refused_models)) == ("", ["MiniMax-Hailuo-02"])
    assert Clip.objects.get(video=other).state == ClipState.SUBMITTED
    look()
    assert "MiniMax-Hailuo-02 since " in details("minimax_plan")["west"]
    assert "does not have MiniMax-Hailuo-02" in rules.in_words(now_of(west))


def test_another_account_takes_the_model_over_at_once(consumer, driver, minimax, west, east):
    minimax.always("create", NOT_IN_PLAN)
    ordered(consumer, driver)
    add_account("east", east.url, east.key)

    ids = [ordered(consumer, driver) for _ in range(3)]

    assert {Clip.objects.get(video=one).account.name for one in ids} == {"east"}
    assert len(minimax.creates) == 1


def test_one_waiting_order_tries_the_model_again_after_pauses_that_grow(consumer, driver, minimax, west, time_travel):
    minimax.next("create", NOT_IN_PLAN, NOT_IN_PLAN)
    first, second = ordered(consumer, driver), ordered(consumer, driver)
    assert len(minimax.creates) == 1

    time_travel.shift(2.6)
    driver.step(first)
    driver.step(second)
    assert (len(minimax.creates), now_of(west).refused_models["video-01"]["tries"]) == (2, 2)

    time_travel.shift(60)
    driver.step(second)
    assert now_of(west).refused_models == {}
    driver.step(first)
    assert Clip.objects.filter(state=ClipState.SUBMITTED).count() == 2


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_of_many_who_could_try_one_does(west):
    refusal = plans.Refusal(since=clock.now().isoformat(), said="", tries=1, tries_at=clock.now().isoformat())
    ProviderAccount.objects.filter(pk=west.pk).update(refused_models={"video-01": refusal})
    account, now = now_of(west), clock.now()

    assert sum(in_threads(*[lambda: plans.may_try(account, "video-01", now)] * 6)) == 1


def test_a_test_that_is_passed_and_another_list_of_models_have_it_tried_at_once(consumer, driver, minimax, west):
    minimax.next("create", *[NOT_IN_PLAN] * 2)
    ordered(consumer, driver)

    rules.test(now_of(west), who="ann")
    assert plans.refused_until(now_of(west), "video-01") <= clock.now()

    rules.change(now_of(west), who="ann", model_names=["video-01"])
    assert now_of(west).refused_models == {}


# ---- Questions ------------------------------------------------------------------------------------------------------------


def test_an_account_that_was_asked_too_often_is_asked_less_often_by_everybody(consumer, driver, minimax, west, time_travel):
    first, second = ordered(consumer, driver), ordered(consumer, driver)
    minimax.next("query", Answer(code=1002))
    time_travel.shift(10)
    driver.step(first)
    asked = len(minimax.calls("query"))

    driver.step(second)

    # Nobody asks for a moment: the other's question is put off, and is no failed step.
    assert len(minimax.calls("query")) == asked
    put_off = Task.objects.get(pk=second)
    assert timedelta(seconds=2) <= put_off.next_step_at - clock.now() <= timedelta(seconds=22)
    assert (put_off.last_error_code, put_off.attempts) == ("", 0)
    time_travel.shift(22)
    driver.step(second)
    waits = (Task.objects.get(pk=second).next_step_at - clock.now()).total_seconds()
    assert 15 < waits < 20


def test_refusals_of_one_burst_count_once_and_minutes_without_one_bring_the_usual_pace_back(west, time_travel, settings):
    for _ in range(5):
        assert asking.slow_down(west, clock.now()) == (["ask_factor", "asked_too_often_at"] if _ == 0 else [])
    assert asking.pause(west, clock.now()) == timedelta(seconds=20)

    time_travel.shift(30)
    asking.slow_down(west, clock.now())
    assert 25 < asking.pause(west, clock.now()).total_seconds() < 30
    for _ in range(20):
        time_travel.shift(3)
        asking.slow_down(west, clock.now())
    assert asking.pause(west, clock.now()).total_seconds() <= 32 * settings.MINIMAX_POLL_SECONDS

    time_travel.shift(60 * 6)
    assert asking.pause(west, clock.now()) == timedelta(seconds=10)
    assert asking.next_turn(west, clock.now()) is None
