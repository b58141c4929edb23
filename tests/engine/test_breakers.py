"""What becomes of an account by how MiniMax answers, and that others take over."""

from datetime import timedelta

import pytest

from conduit import clock
from conduit.conditions.looking import look
from tasks.models import Task
from tests.conditions.conftest import details
from tests.support.accounts import add_account, without_the_environments
from tests.support.lookalike import Answer, LookAlike
from videos.account_models import AccountState, ProviderAccount
from videos.accounts import breakers
from videos.accounts.breakers import FAILURES_MAX
from videos.models import Clip, ClipState

pytestmark = pytest.mark.django_db

KEY, BALANCE, PROVIDER = "account_key", "account_balance", "provider"


@pytest.fixture
def east(driver):
    with LookAlike(key="east-key") as server:
        yield server


@pytest.fixture
def west(minimax, driver, settings, time_travel):
    """The one account with which orders are made; pauses are real, and the clock stands."""
    settings.RETRY_SECONDS = 2.0
    time_travel.move_to(clock.now(), tick=False)
    without_the_environments()
    return add_account("west", minimax.url, minimax.key)


def ordered(consumer, driver, count=1, **wanted):
    ids = [consumer.generate(**wanted)["task_id"] for _ in range(count)]
    for task_id in ids:
        driver.step(task_id)
    return ids


def now_of(account):
    return ProviderAccount.objects.get(pk=account.pk)


def told(name):
    look()
    return details(name)


@pytest.mark.parametrize(
    ("answer", "cause", "condition", "words"),
    [
        (Answer(code=1004), KEY, "minimax_key", "code 1004"),
        (Answer(code=2049), KEY, "minimax_key", "code 2049"),
        (Answer(http=401, body=b"{}"), KEY, "minimax_key", "does not accept"),
        (Answer(code=1008), BALANCE, "minimax_balance", "code 1008"),
        (Answer(code=1030), BALANCE, "minimax_balance", "code 1030"),
        (Answer(http=402, body=b"{}"), BALANCE, "minimax_balance", "used up"),
    ],
)
def test_key_and_balance_set_an_account_aside_tell_the_operator_and_another_takes_over_at_once(
    consumer, driver, minimax, west, east, answer, cause, condition, words
):
    minimax.always("create", answer)
    (task_id,) = ordered(consumer, driver)
    assert Task.objects.get(pk=task_id).stage.startswith("waiting_for_provider_")
    again = add_account("east", east.url, east.key)

    ids = ordered(consumer, driver, 3)

    assert now_of(west).cause == cause
    assert [Clip.objects.get(video=task_id).account_id for task_id in ids] == [again.pk] * 3
    assert (len(minimax.creates), len(east.creates)) == (1, 3)
    assert words in told(condition)["west"]


def test_a_task_whose_account_is_refused_goes_on_with_another_in_its_next_step_and_shows_no_wait(consumer, driver, minimax, west, east):
    add_account("east", east.url, east.key)
    ProviderAccount.objects.filter(name="west").update(weight=100)
    minimax.always("create", Answer(code=1008))
    while not minimax.creates:
        (task_id,) = ordered(consumer, driver)

    waiting = consumer.task(task_id)
    driver.step(task_id)

    assert waiting["stage"] == "queued"
    assert Clip.objects.get(video=task_id).state == ClipState.SUBMITTED
    assert Clip.objects.get(video=task_id).account.name == "east"


def test_a_waiting_task_tries_the_account_after_a_pause_that_grows_and_the_rest_goes_on_when_it_is_well(
    consumer, driver, minimax, west, time_travel
):
    minimax.next("create", *[Answer(code=1008)] * 3)
    first, second = ordered(consumer, driver, 2)
    pauses = []
    for _ in range(2):
        assert (now_of(west).cause, len(minimax.creates)) == (BALANCE, len(pauses) + 1)
        pauses.append((now_of(west).tries_at - clock.now()).total_seconds())
        time_travel.shift(pauses[-1] + 0.01)
        driver.step(first)
        driver.step(second)
    assert 1.4 <= pauses[0] <= 2.6 <= pauses[1]

    time_travel.shift(600)
    driver.step(second)

    assert now_of(west).cause == ""
    assert Task.objects.get(pk=first).next_step_at <= clock.now()
    driver.step(first)
    assert Clip.objects.filter(state=ClipState.SUBMITTED).count() == 2
    assert told("minimax_balance") == {}


def test_the_trial_asks_what_costs_nothing_before_it_orders(consumer, driver, minimax, west, time_travel):
    minimax.next("create", Answer(code=1004))
    minimax.always("query", Answer(code=2049))
    (task_id,) = ordered(consumer, driver)

    for _ in range(3):
        time_travel.shift(200)
        driver.step(task_id)

    assert (len(minimax.creates), len(minimax.calls("query"))) == (1, 3)
    assert [query.query["task_id"] for query in minimax.calls("query")] == ["0"] * 3
    assert now_of(west).code == 2049


def test_of_many_waiting_tasks_one_tries(consumer, driver, minimax, west):
    ProviderAccount.objects.update(cause=KEY, since=clock.now(), tries=1, tries_at=clock.now(), code=1004)
    one, other = now_of(west), now_of(west)

    assert breakers.claim_trial(one, clock.now())
    assert not breakers.claim_trial(other, clock.now())


def test_one_who_dies_while_he_tries_leaves_the_next_trial_a_minute_later(consumer, driver, minimax, west, time_travel, settings):
    ProviderAccount.objects.filter(pk=west.pk).update(cause=KEY, since=clock.now(), tries=1, tries_at=clock.now(), code=1004)
    assert breakers.claim_trial(now_of(west), clock.now())
    (task_id,) = ordered(consumer, driver)
    assert minimax.requests == []

    time_travel.shift(settings.LEASE_SECONDS + 1)
    driver.step(task_id)

    assert Clip.objects.get(video=task_id).state == ClipState.SUBMITTED
    assert now_of(west).cause == ""


@pytest.mark.parametrize("answer", [Answer(code=1013), Answer(http=503, body=b"busy"), Answer(http=500, body=b"{}")])
def test_errors_again_and_again_open_the_breaker_and_no_further_order_is_lost(consumer, driver, minimax, west, answer):
    minimax.always("create", answer)

    ids = ordered(consumer, driver, FAILURES_MAX + 3)

    assert len(minimax.creates) == FAILURES_MAX
    assert now_of(west).cause == PROVIDER
    assert Task.objects.get(pk=ids[-1]).stage == "waiting_for_provider"
    assert "west" in told("minimax_reach")


def test_an_answer_in_between_keeps_the_breaker_closed(consumer, driver, minimax, west):
    for _ in range(2):
        minimax.next("create", *[Answer(code=1013)] * (FAILURES_MAX - 1))
        ordered(consumer, driver, FAILURES_MAX)

    assert now_of(west).cause == ""


def test_silence_to_questions_opens_the_breaker_before_orders_are_lost_and_an_answer_closes_it(consumer, driver, minimax, west):
    (task_id,) = ordered(consumer, driver)
    minimax.next("query", *[Answer(cut_after=0)] * FAILURES_MAX)
    for _ in range(FAILURES_MAX):
        Task.objects.update(next_step_at=clock.now())
        driver.step(task_id)
    assert now_of(west).cause == PROVIDER

    Task.objects.update(next_step_at=clock.now())
    driver.step(task_id)

    assert now_of(west).cause == ""


@pytest.mark.parametrize("code", [1026, 2013, 7777])
def test_a_verdict_on_the_request_or_a_code_that_nobody_knows_sets_nothing_aside(consumer, driver, minimax, west, code):
    minimax.always("create", Answer(code=code))

    ordered(consumer, driver, FAILURES_MAX + 2)

    assert now_of(west).cause == ""
    assert len(minimax.creates) == FAILURES_MAX + 2


def test_what_an_old_key_was_told_says_nothing_of_the_new_one(consumer, driver, minimax, west):
    old = now_of(west)
    west.seal("new").save()

    breakers.failed(old, _error(1004), ordering=True)

    assert now_of(west).cause == ""


def _error(code):
    from videos.minimax import errors

    return errors.MiniMaxError(*errors.cause_of_code(code, creating=True), provider_code=code)


# ---- Rates --------------------------------------------------------------------------------------------------------------


# The client sorts all four into one (tests/videos/minimax/test_client_codes.py).
@pytest.mark.parametrize("code", [1002, *(pytest.param(code, marks=pytest.mark.soak) for code in (1039, 1041, 2045))])
def test_a_refusal_for_the_rate_slows_everybody_down_to_what_was_taken_in_the_last_minute(
    consumer, driver, minimax, west, time_travel, code
):
    ordered(consumer, driver, 6)
    minimax.next("create", Answer(code=code))
    ids = ordered(consumer, driver, 3)

    assert now_of(west).pace == 6
    assert now_of(west).cause == ""
    assert len(minimax.creates) == 7
    assert {Task.objects.get(pk=task_id).waits_for for task_id in ids} == {"rate", "fair_share"}
    # That minute is full. From its end on ten seconds a create: each of them in its turn, whoever asks.
    time_travel.shift(50)
    for number in range(8, 11):
        time_travel.shift(10.2)
        for task_id in ids:
            driver.step(task_id)
        assert len(minimax.creates) == number


def test_another_account_takes_over_what_a_rate_refuses(consumer, driver, minimax, west, east):
    ordered(consumer, driver, 3)
    minimax.next("create", Answer(code=1002))
    ordered(consumer, driver)
    add_account("east", east.url, east.key)

    ids = ordered(consumer, driver, 3)

    assert len(east.creates) == 3
    assert set(Clip.objects.filter(video__in=ids).values_list("state", flat=True)) == {ClipState.SUBMITTED}


def test_without_a_limit_that_is_known_one_task_after_the_other_asks_after_pauses_that_grow(consumer, driver, minimax, west, time_travel):
    minimax.always("create", Answer(code=1002))
    (task_id,) = ordered(consumer, driver)
    pauses = []
    for _ in range(8):
        pauses.append((now_of(west).next_create_at - clock.now()).total_seconds())
        time_travel.shift(pauses[-1] + 0.01)
        driver.step(task_id)

    assert len(minimax.creates) == 9
    assert 1.4 <= pauses[0] <= 2.6
    assert 5.9 <= pauses[2] <= 10.1
    assert 44 <= pauses[7] <= 76


def test_a_window_of_usage_that_is_spent_is_waited_for_longer_and_tells_no_pace(consumer, driver, minimax, west):
    ordered(consumer, driver, 3)
    minimax.next("create", Answer(code=2056))
    (task_id,) = ordered(consumer, driver)

    account = now_of(west)
    assert account.pace is None
    assert account.next_create_at > clock.now() + timedelta(seconds=20)
    assert Task.objects.get(pk=task_id).stage == "waiting_for_rate_limit"


def test_switched_off_accounts_are_told_by_no_condition(west):
    ProviderAccount.objects.filter(pk=west.pk).update(cause=KEY, since=clock.now(), code=1004, state=AccountState.OFF)

    assert told("minimax_key") == {}
    assert set(told("minimax_accounts")) >= {"video-01", "minimax-h3"}
