"""Creating under every kind of budget and limit: what it costs, what it refuses, what is left."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conduit import clock
from keys.models import BudgetAlert, BudgetWindow, Period, Team, UsageCost
from tasks.models import Task, TaskEvent
from tests.settings import ON_SQLITE
from tests.support.ending import end
from tests.support.envelopes import refused
from tests.support.planned_clips import planned_clip
from videos.models import ResolutionFactor, Video, VideoModel

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

PATH = "/v1/video/generations"
GOOD = {"model": "minimax-video", "prompt": "a cat"}
PRICE = Decimal("0.2")


def limit(consumer, **limits):
    for name, value in limits.items():
        setattr(consumer.key, name, value)
    consumer.key.save(update_fields=list(limits))


@pytest.fixture
def limited(consumer):
    """A consumer under every limit and every budget that there is, on the way past every threshold."""
    team = Team.objects.create(name="film")
    limit(
        consumer,
        team=team,
        expires_at=clock.now() + timedelta(days=1),
        creates_per_minute=100,
        creates_per_day=100,
        reads_per_minute=100,
        tasks_in_flight=10,
        tasks_per_hour=10,
        longest_seconds=60,
        largest_resolution="1920x1080",
        highest_price=Decimal("5"),
        model_names=["video-01"],
        ip_ranges=["127.0.0.0/8"],
    )
    for owner in (team, consumer.key):
        for period in Period.values:
            for zone in ("UTC", "Europe/Berlin", "Asia/Tokyo"):
                owner.budgets.create(period=period, time_zone=zone, amount=PRICE)
    return consumer


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_create_with_every_budget_and_limit_takes_at_most_fourteen_queries_in_one_transaction(limited):
    assert limited.post(f"{PATH}/estimate", GOOD).status_code == 200  # the catalogue is kept from now on

    with CaptureQueriesContext(connection) as queries:
        limited.generate()

    statements = [query["sql"].split()[0] for query in queries]
    assert len(statements) <= (16 if ON_SQLITE else 14), statements
    assert statements.count("BEGIN") == statements.count("COMMIT") == 1
    assert statements[-1] == "COMMIT"
    # It was the dearest kind of create: every budget's windows were made, and every threshold was passed.
    assert (BudgetWindow.objects.count(), BudgetAlert.objects.count()) == (24, 72)


def test_a_create_that_a_budget_refuses_leaves_nothing_behind(consumer):
    budget = consumer.key.budgets.create(period=Period.DAILY, amount=Decimal("0.3"))
    consumer.generate()

    message = refused(consumer.post(PATH, GOOD), 402, "insufficient_quota")

    assert "daily budget of 0.30 USD has 0.10 USD left and this request costs 0.20 USD" in message
    assert "quota" in message
    assert budget.windows.get().held == PRICE
    assert (Task.objects.count(), Video.objects.count(), TaskEvent.objects.count(), UsageCost.objects.count()) == (1, 1, 1, 1)


def test_a_smaller_video_still_fits_what_is_left(consumer):
    consumer.key.budgets.create(period=Period.DAILY, amount=Decimal("0.2333"))
    consumer.generate()

    refused(consumer.post(PATH, GOOD | {"duration": 2}), 402, "insufficient_quota")
    consumer.generate(duration=1)
    refused(consumer.post(PATH, GOOD | {"duration": 1}), 402, "insufficient_quota")


def test_a_task_that_fails_gives_its_room_back_and_one_that_completes_does_not(consumer):
    consumer.key.budgets.create(period=Period.TOTAL, amount=PRICE)
    end(consumer.generate()["task_id"], "failed")
    end(consumer.generate()["task_id"], "cancelled")
    end(consumer.generate()["task_id"], "completed")

    refused(consumer.post(PATH, GOOD), 402, "insufficient_quota")


def test_a_retry_needs_room_in_the_budget_as_any_create(consumer):
    budget = consumer.key.budgets.create(period=Period.TOTAL, amount=PRICE)
    failed = end(consumer.generate()["task_id"], "failed").pk
    consumer.generate()

    refused(consumer.post(f"{PATH}/{failed}/retry"), 402, "insufficient_quota")
    assert budget.windows.get().held == PRICE


def test_an_estimate_holds_nothing_and_needs_no_budget(consumer):
    consumer.key.budgets.create(period=Period.TOTAL, amount=0)

    assert consumer.post(f"{PATH}/estimate", GOOD).status_code == 200
    assert not BudgetWindow.objects.exists()


def test_what_is_in_flight_is_counted_from_the_tasks_themselves(consumer):
    limit(consumer, tasks_in_flight=2)
    first = consumer.generate()["task_id"]
    consumer.generate()

    refused(consumer.post(PATH, GOOD), 429, "concurrency_limit_exceeded")
    end(first, "failed")
    consumer.generate()
    refused(consumer.post(PATH, GOOD), 429, "concurrency_limit_exceeded")
    assert Task.objects.count() == 3


def test_tasks_of_the_last_hour_are_counted_whatever_became_of_them(consumer, time_travel):
    time_travel.move_to(clock.now(), tick=False)
    limit(consumer, tasks_per_hour=2)
    end(consumer.generate()["task_id"], "cancelled")
    time_travel.shift(timedelta(minutes=30))
    consumer.generate()

    refused(consumer.post(PATH, GOOD), 429, "rate_limit_exceeded")
    time_travel.shift(timedelta(minutes=29, seconds=59))
    refused(consumer.post(PATH, GOOD), 429, "rate_limit_exceeded")
    time_travel.shift(timedelta(seconds=1))
    consumer.generate()
    refused(consumer.post(PATH, GOOD), 429, "rate_limit_exceeded")


def test_another_keys_tasks_do_not_count(consumer, make_consumer):
    limit(consumer, tasks_in_flight=1, tasks_per_hour=1)
    make_consumer("bob").generate()

    consumer.generate()


@pytest.mark.parametrize("name", ["minimax-video", "video-01"])
@pytest.mark.parametrize("call", [PATH, f"{PATH}/estimate"])
def test_what_has_no_price_is_refused_and_never_billed_at_zero(consumer, call, name):
    ResolutionFactor.objects.filter(resolution="1920x1080").update(factor=0)
    refused(consumer.post(call, GOOD | {"model": name, "resolution": "1920x1080"}), 400, "invalid_request", "resolution")
    VideoModel.objects.update(base_price="0.0001")
    assert "no price" in refused(consumer.post(call, GOOD | {"model": name, "duration": 1}), 400, "invalid_request", "model")
    VideoModel.objects.update(base_price=0)
    refused(consumer.post(call, GOOD | {"model": name}), 404, "model_not_found", "model")
    assert not UsageCost.objects.exists()


def test_an_alias_is_held_at_its_models_price(consumer):
    budget = consumer.key.budgets.create(period=Period.TOTAL, amount=10)
    consumer.generate(model="minimax-video")
    consumer.generate(model="video-01")

    assert budget.windows.get().held == 2 * PRICE


# ---- What a cancel costs


@pytest.mark.parametrize(
    ("setting", "sent", "charged"),
    [
        ("nothing", False, "0.0000"),
        ("nothing", True, "0.0000"),
        ("submitted", False, "0.0000"),
        ("submitted", True, "0.2000"),
        ("all", False, "0.2000"),
        ("all", True, "0.2000"),
    ],
)
def test_a_cancel_charges_what_the_setting_says_and_its_answer_tells(consumer, ledger, settings, setting, sent, charged):
    settings.CANCEL_CHARGES = setting
    budget = consumer.key.budgets.create(period=Period.TOTAL, amount=10)
    task_id = consumer.generate()["task_id"]
    if sent:  # the intent alone: MiniMax may have accepted
        planned_clip(task_id, state="submitting", sent_at=clock.now())

    answer = consumer.delete(f"{PATH}/{task_id}").json()

    assert answer["cost"] == {"estimated": "0.2000", "held": "0.0000", "charged": charged, "currency": "USD"}
    rows = dict(ledger(task_id))
    assert (rows["hold"], rows["capture"], rows.get("release", 0)) == (PRICE, Decimal(charged), PRICE - Decimal(charged))
    window = budget.windows.get()
    assert (window.held, window.spent) == (0, Decimal(charged))
