"""Whose clip is ordered next while MiniMax takes fewer creates than are asked for: in simulated time, by the engine's own steps."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from conduit import clock
from keys.services import change_key
from tasks.models import Task
from tests.support.accounts import add_account, without_the_environments
from tests.support.scarcity import Scarce, Simulation, crowd
from tests.support.time_travel import TimeTravel
from videos.account_models import ProviderAccount
from videos.accounts import choosing
from videos.engine import submission
from videos.models import Clip, ClipState

pytestmark = pytest.mark.django_db

SLOT = 3.0  # seconds between two creates at twenty a minute


@pytest.fixture
def scarce(monkeypatch, settings, media, time_travel: TimeTravel):
    """Two accounts that take ten creates a minute each, and say so; the clock stands until it is moved."""
    time_travel.move_to(clock.now(), tick=False)
    settings.RETRY_SECONDS, settings.MINIMAX_POLL_SECONDS = 2.0, 10.0
    without_the_environments()
    minimax = Scarce(west=10, east=10)
    for name in minimax.limits:
        add_account(name, "http://127.0.0.1:9", f"{name}-key", creates_per_minute=10)
    monkeypatch.setattr(submission, "provider_for", minimax.client)
    monkeypatch.setattr(choosing, "provider_at", lambda *args, **kwargs: SimpleNamespace(test=lambda: None))
    monkeypatch.setattr(submission, "_with_pictures", lambda order, job, clip: order)
    return Simulation(time_travel, minimax)


def jain(shares):
    return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))


class Single:
    """One task of one key: what it was told as it was created, and what it is told from then on."""

    def __init__(self, scarce, consumer):
        self.scarce, self.consumer = scarce, consumer
        self.places = []

    def create(self):
        self.scarce.travel.shift(0.01)  # ids are in the order of time
        self.at = self.scarce.now
        self.task = self.consumer.generate()
        self.pk = Task.objects.get(pk=self.task["task_id"]).pk
        self.scarce.step([self.pk])
        self.scarce.each_survey.append(self.look)

    def look(self):
        task = Task.objects.get(pk=self.pk)
        if task.waits_for:
            self.places.append(task.queue_position)

    @property
    def usual(self):
        """What the making takes, once it is ordered."""
        return Task.objects.get(pk=self.pk).video.clips.get().expected_seconds


def singles(scarce, make_consumer, count=20, at=60.0, apart=0.0):
    found = [Single(scarce, make_consumer(f"single {number}")) for number in range(count)]
    for number, one in enumerate(found):
        scarce.at(at + number * apart, one.create)
    return found


def assert_served_in_their_turn(scarce, found):
    ordered = scarce.ordered()
    told_well = 0
    for rank, one in enumerate(found, 1):
        waited = ordered[one.pk] - one.at
        assert waited <= (rank + 1) * SLOT + 0.5, (rank, waited)
        assert one.places == sorted(one.places, reverse=True)
        told = one.task["eta_seconds"] - (Task.objects.get(pk=one.pk).rest_seconds + one.usual)
        told_well += abs(told - waited) <= max(SLOT, 0.25 * (one.usual + waited))
    assert told_well >= len(found) * 0.9


@pytest.mark.soak
def test_one_key_with_a_thousand_delays_twenty_with_one_each_by_at_most_a_slot(scarce, make_consumer):
    hog = make_consumer("hog")
    crowd(hog.key, 1000)
    found = singles(scarce, make_consumer, at=20.0)

    scarce.run(100)

    assert_served_in_their_turn(scarce, found)
    assert len(scarce.minimax.orders) >= 0.95 * 100 / SLOT
    assert scarce.minimax.refused == []


@pytest.mark.soak
def test_a_hundred_begun_chains_of_ten_come_before_nobody_elses_turn(scarce, make_consumer):
    hog = make_consumer("hog")
    crowd(hog.key, 100, clips=10)

    def go_on():
        """What was ordered a while ago is made, and its next clip waits."""
        made = Clip.objects.filter(video__task__key=hog.key, state=ClipState.SUBMITTED)
        for clip in made.filter(submitted_at__lt=clock.now() - timedelta(seconds=20)):
            Clip.objects.filter(pk=clip.pk).update(state=ClipState.READY, made_at=clock.now(), file="there", last_frame="there")
            Task.objects.filter(pk=clip.video_id).update(next_step_at=clock.now())
            scarce.step([clip.video_id])

    scarce.each_survey.append(go_on)
    found = singles(scarce, make_consumer, apart=1.0)

    scarce.run(180)

    assert_served_in_their_turn(scarce, found)
    assert scarce.minimax.refused == []


@pytest.mark.soak
def test_keys_share_by_weight_over_ten_minutes(scarce, make_consumer):
    scarce.survey_every = 0
    keys = {make_consumer(f"weight {weight}").key: weight for weight in (1, 2, 3, 4)}
    for key, weight in keys.items():
        change_key(key, who="root", weight=weight)
        crowd(key, 150)

    scarce.run(600)

    orders = scarce.orders_of()
    assert jain([orders[key.pk] / weight for key, weight in keys.items()]) >= 0.95
    assert len(scarce.minimax.orders) >= 0.95 * 600 / SLOT


@pytest.mark.parametrize("limit", [5, pytest.param(20, marks=pytest.mark.soak)])
def test_a_limit_that_nobody_told_is_found_kept_to_and_used(scarce, make_consumer, limit):
    scarce.survey_every = 0
    ProviderAccount.objects.filter(name="east").delete()
    ProviderAccount.objects.update(creates_per_minute=None)
    scarce.minimax.limits["west"] = limit
    crowd(make_consumer("hog").key, 400)

    scarce.run(120)
    began, sent = scarce.now, len(scarce.minimax.orders)
    scarce.run(720 if limit == 20 else 360)

    minutes = (scarce.now - began) / 60
    sent = len(scarce.minimax.orders) - sent
    refused = sum(moment - scarce.began.timestamp() > began for moment in scarce.minimax.refused)
    assert sent >= 0.95 * minutes * limit
    assert refused <= minutes if limit < 20 else refused <= 0.05 * (sent + refused)


def test_an_account_that_dies_in_the_middle_loses_nothing_and_doubles_nothing(scarce, make_consumer):
    scarce.survey_every = 0
    ids = [*crowd(make_consumer("hog").key, 40), *crowd(make_consumer("other").key, 5)]
    scarce.at(30, lambda: scarce.minimax.die("west"))
    scarce.at(90, lambda: scarce.minimax.live("west"))

    scarce.run(240)

    assert sorted(task_id for _, task_id in scarce.minimax.orders) == sorted(ids)
    assert ProviderAccount.objects.get(name="west").cause == ""
    assert Clip.objects.filter(state=ClipState.SUBMITTED).count() == len(ids)
