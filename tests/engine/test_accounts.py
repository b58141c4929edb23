"""With which account at MiniMax a clip is ordered, and that it stays with it."""

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from conduit import clock
from tasks.models import Task
from tests.support.accounts import add_account, without_the_environments
from tests.support.lookalike import Answer, LookAlike
from tests.support.marks import SOAK_ON_SQLITE
from videos.account_models import AccountState, ProviderAccount
from videos.accounts import spending, surveying
from videos.models import Clip, ClipState
from videos.rollups import count_billed, recount_billed

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite, *SOAK_ON_SQLITE]


@pytest.fixture
def east(driver):
    """Another MiniMax, with its own key and its own jobs."""
    with LookAlike(key="east-key") as server:
        yield server


@pytest.fixture
def two(minimax, east):
    """Two accounts, and nothing is ordered with the environment's."""
    without_the_environments()
    return add_account("west", minimax.url, minimax.key), add_account("east", f"{east.url}/v1/", "east-key")


def ordered(consumer, driver, count=1, **wanted):
    """So many tasks, each one step on."""
    ids = [consumer.generate(**wanted)["task_id"] for _ in range(count)]
    for task_id in ids:
        driver.step(task_id)
    return ids


def clip_of(task_id):
    return Clip.objects.select_related("account").get(video=task_id)


def test_a_job_is_asked_for_fetched_and_called_off_with_its_own_account(consumer, driver, minimax, east, two):
    west_account, _ = two
    ProviderAccount.objects.filter(pk=west_account.pk).update(state=AccountState.DRAINING)
    (task_id,) = ordered(consumer, driver)
    ProviderAccount.objects.filter(name="east").update(state=AccountState.DRAINING)
    ProviderAccount.objects.filter(name="west").update(state=AccountState.ON)

    assert driver.finish(task_id).status == "completed"
    assert (len(east.creates), len(minimax.requests)) == (1, 0)
    assert clip_of(task_id).account.name == "east"


def test_a_job_goes_on_after_its_account_got_another_key(consumer, driver, east, two):
    ProviderAccount.objects.filter(name="west").update(state=AccountState.OFF)
    (task_id,) = ordered(consumer, driver)
    east.key = "east-key-2"
    two[1].seal("east-key-2").save()

    assert driver.step(task_id).stage == "preparing"
    assert clip_of(task_id).state == ClipState.SUBMITTED


def test_what_the_environment_names_is_an_account_of_each_kind_by_itself(consumer, driver, minimax):
    (task_id,) = ordered(consumer, driver)

    account = clip_of(task_id).account
    assert (account.from_environment, account.kind, account.key) == (True, "minimax_v1", minimax.key)
    assert ProviderAccount.objects.environments("minimax_v2").address == minimax.url


def test_a_clip_from_before_there_were_accounts_is_the_environments(consumer, driver, minimax, east):
    (task_id,) = ordered(consumer, driver)
    Clip.objects.filter(video=task_id).update(account=None)
    add_account("east", east.url, "east-key")

    driver.until(task_id, ClipState.MADE)

    assert east.requests == []


def test_orders_are_shared_by_weight(consumer, driver, minimax, east, two):
    ProviderAccount.objects.filter(name="west").update(weight=90)

    ordered(consumer, driver, 40)

    # Nine of ten are west's; of forty less than twenty-five are, once in fifty million times.
    assert len(minimax.creates) >= 25
    assert len(minimax.creates) + len(east.creates) == 40


@pytest.mark.parametrize(("state", "key", "stage"), [("draining", "k", "waiting_for_provider_key"), ("on", "", "waiting_for_provider_key")])
def test_without_an_account_that_takes_orders_a_task_waits_for_the_operator(consumer, driver, minimax, east, state, key, stage):
    without_the_environments()
    add_account("east", east.url, key, state=state)

    (task_id,) = ordered(consumer, driver)

    task = consumer.task(task_id)
    assert (task["status"], task["stage"], task["waiting_for"]) == ("queued", stage, "account")
    assert east.requests == []


def test_an_account_makes_only_the_models_that_it_may_by_any_of_their_names(consumer, driver, minimax, east, two):
    ProviderAccount.objects.filter(name="west").update(model_names=["minimax-hailuo-02"])
    ProviderAccount.objects.filter(name="east").update(model_names=["video-01"])

    ordered(consumer, driver, 3, model="minimax-video")

    assert (len(minimax.creates), len(east.creates)) == (0, 3)


def test_jobs_in_flight_are_bounded_and_the_rest_waits(consumer, driver, minimax, east, two):
    ProviderAccount.objects.filter(name="west").update(jobs_in_flight=2)
    ProviderAccount.objects.filter(name="east").update(jobs_in_flight=1)

    ids = ordered(consumer, driver, 5)

    assert (len(minimax.creates), len(east.creates)) == (2, 1)
    waiting = Task.objects.filter(pk__in=ids, waits_for__in=["rate", "fair_share"])
    assert waiting.count() == 2
    # One is made: there is room for one more.
    first = Clip.objects.filter(state=ClipState.SUBMITTED).first()
    driver.until(str(first.video_id), ClipState.MADE)
    for task in waiting.all():
        driver.step(str(task.pk))
    assert len(minimax.creates) + len(east.creates) == 4


def test_a_job_that_nobody_waits_for_any_more_counts_as_in_flight_for_a_while(consumer, driver, minimax, two, time_travel):
    time_travel.move_to(clock.now(), tick=True)
    ProviderAccount.objects.filter(name="east").update(state=AccountState.OFF)
    ProviderAccount.objects.filter(name="west").update(jobs_in_flight=1)
    (cancelled,) = ordered(consumer, driver)
    consumer.delete(f"/v1/video/generations/{cancelled}")
    (task_id,) = ordered(consumer, driver)
    assert len(minimax.creates) == 1

    time_travel.shift(timedelta(minutes=11).total_seconds())
    driver.step(task_id)

    assert len(minimax.creates) == 2


def test_orders_keep_the_pace_that_the_account_allows(consumer, driver, minimax, two, time_travel):
    time_travel.move_to(clock.now(), tick=False)
    ProviderAccount.objects.filter(name="east").update(state=AccountState.OFF)
    ProviderAccount.objects.filter(name="west").update(creates_per_minute=20)

    ids = ordered(consumer, driver, 4)
    assert len(minimax.creates) == 1
    stands = [(task["stage"], task["waiting_for"]) for task in map(consumer.task, ids[1:])]
    assert stands == [("waiting_for_rate_limit", "rate"), *[("queued", "fair_share")] * 2]
    for number in range(2, 5):
        time_travel.shift(3.1)
        for task_id in ids:
            driver.step(task_id)
        assert len(minimax.creates) == number


def test_tasks_that_wait_for_their_turn_tell_their_place_and_when_it_comes(consumer, driver, minimax, two, time_travel):
    time_travel.move_to(clock.now())  # it runs: ids in the order of their making
    ProviderAccount.objects.filter(name="east").update(state=AccountState.OFF)
    ProviderAccount.objects.filter(name="west").update(creates_per_minute=6)

    ids = ordered(consumer, driver, 5)
    time_travel.shift(1)
    surveying.survey()

    shown = [consumer.task(task_id) for task_id in ids]
    assert [task["queue_position"] for task in shown] == [None, 1, 2, 3, 4]
    apart = [later["eta_seconds"] - task["eta_seconds"] for task, later in pairwise(shown[1:])]
    assert all(9 <= seconds <= 11 for seconds in apart)
    # A further one is told so at once, before it stands in line; one of another key has its turn before all but the first.
    assert (further := consumer.generate())["queue_position"] == 5
    assert further["waiting_for"] == "fair_share"
    assert abs(further["eta_seconds"] - shown[-1]["eta_seconds"] - 10) <= 2


def test_what_an_account_may_bill_in_a_month_is_never_exceeded(consumer, driver, minimax, two, time_travel):
    time_travel.move_to(clock.now(), tick=False)
    west, _ = two
    ProviderAccount.objects.filter(name="east").update(state=AccountState.OFF)
    ProviderAccount.objects.filter(name="west").update(monthly_limit=Decimal("1.00"))

    ids = ordered(consumer, driver, 2)
    count_billed()  # the first two are in the roll-ups, and nothing changes
    ids += ordered(consumer, driver, 2)

    cost = clip_of(ids[0]).cost
    assert 2 * cost <= 1 < 3 * cost
    assert len(minimax.creates) == 2
    assert spending.spent([west.pk], clock.now()) == {west.pk: 2 * cost}
    recount_billed()
    assert spending.spent([west.pk], clock.now()) == {west.pk: 2 * cost}
    last = consumer.task(ids[-1])
    assert (last["stage"], last["waiting_for"]) == ("waiting_for_provider_balance", "account")

    time_travel.shift(32 * 24 * 3600)
    assert spending.spent([west.pk], clock.now()) == {}


def test_a_retry_asks_for_what_it_takes_over_with_the_account_that_has_it(consumer, driver, minimax, east, two, settings, time_travel):
    time_travel.move_to(clock.now(), tick=True)
    ProviderAccount.objects.filter(name="west").update(state=AccountState.DRAINING)
    east.statuses = ["processing"]
    (task_id,) = ordered(consumer, driver)
    time_travel.shift(settings.GENERATING_SECONDS_MAX + 1)
    assert driver.finish(task_id).error_code == "generation_timeout"
    ProviderAccount.objects.filter(name="west").update(state=AccountState.ON)
    ProviderAccount.objects.filter(name="east").update(state=AccountState.DRAINING)
    east.statuses = ["success"]

    again = consumer.post(f"/v1/video/generations/{task_id}/retry").json()["task_id"]
    driver.step(again)
    driver.step(again)

    assert clip_of(again).account.name == "east"
    assert clip_of(again).state == ClipState.MADE
    assert minimax.creates == []


def test_nothing_is_called_with_an_account_that_is_off(consumer, driver, minimax, east, two):
    ProviderAccount.objects.filter(name="west").update(state=AccountState.DRAINING)
    (task_id,) = ordered(consumer, driver)
    ProviderAccount.objects.filter(name="east").update(state=AccountState.OFF)
    asked = len(east.requests)

    task = driver.step(task_id)

    assert (task.stage, task.last_error_code, len(east.requests)) == ("waiting_for_provider_key", "provider_auth", asked)
    ProviderAccount.objects.filter(name="east").update(state=AccountState.DRAINING)
    assert driver.finish(task_id).status == "completed"


def test_an_account_that_refused_an_order_is_let_go(consumer, driver, minimax, two):
    ProviderAccount.objects.filter(name="east").update(state=AccountState.OFF)
    minimax.next("create", Answer(code=1013))
    (task_id,) = ordered(consumer, driver)

    assert clip_of(task_id).account is None
    driver.step(task_id)
    assert clip_of(task_id).account.name == "west"


def test_a_key_is_sealed_at_rest_and_opens_under_an_older_secret_of_the_place(settings):
    account = add_account("east", "https://api.minimax.io", " mm-secret-key \n")

    stored = ProviderAccount.objects.filter(pk=account.pk).values_list("sealed_secret", flat=True).get()
    assert "mm-secret" not in stored
    assert ProviderAccount.objects.get(pk=account.pk).key == "mm-secret-key"
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another secret that is long enough, as the check wants"
    assert ProviderAccount.objects.get(pk=account.pk).key == "mm-secret-key"
    settings.SECRET_KEY_FALLBACKS = []
    assert ProviderAccount.objects.get(pk=account.pk).key == ""
