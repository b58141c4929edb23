"""Who else writes this row now? Two workers, a cancel in the middle of a call, hints that come twice."""

import threading
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection, transaction

from conduit import clock
from tasks import leases
from tasks.models import Lane, Task, TaskEvent
from tests.settings import ON_SQLITE
from tests.support.lookalike import Answer
from tests.support.racing import in_threads
from videos import engine, storage_check
from videos.account_models import ProviderAccount
from videos.exchange_models import Exchange, Timing
from videos.models import Clip, ClipState, Video, VideoModel

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.sqlite]


def test_eight_workers_that_get_the_same_hint_post_one_job(consumer, driver, minimax):
    task_id = consumer.generate()["task_id"]

    in_threads(*[lambda: engine.advance(UUID(task_id), lane=Lane.PROVIDER)] * 8)

    assert len(minimax.creates) == 1
    assert Clip.objects.get(video_id=task_id).state != ClipState.SUBMITTING


def test_a_task_cancelled_while_its_create_is_in_the_air_stays_cancelled_and_is_charged(consumer, driver, minimax, ledger):
    hold = threading.Event()
    minimax.next("create", Answer(hold=hold))
    task_id = consumer.generate()["task_id"]

    def cancel() -> None:
        minimax.wait_for("create")
        assert consumer.delete(f"/v1/video/generations/{task_id}").status_code == 200
        hold.set()

    in_threads(lambda: engine.advance(UUID(task_id), lane=Lane.PROVIDER), cancel)

    assert consumer.task(task_id)["status"] == "cancelled"
    assert ledger(task_id) == [("hold", Decimal("0.2")), ("capture", Decimal("0.2"))]
    # MiniMax makes and bills it all the same: the operator can find it.
    assert Clip.objects.get(video_id=task_id).provider_task_id == minimax.jobs[0].task_id
    assert [exchange.call for exchange in Exchange.objects.filter(video_id=task_id)] == ["create"]


def test_a_task_cancelled_while_its_last_poll_is_in_the_air_stays_cancelled(consumer, driver, minimax, ledger):
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.SUBMITTED)
    hold = threading.Event()
    minimax.next("query", Answer(hold=hold, status="Success"))

    def cancel() -> None:
        minimax.wait_for("query")
        assert consumer.delete(f"/v1/video/generations/{task_id}").status_code == 200
        hold.set()

    in_threads(lambda: engine.advance(UUID(task_id), lane=Lane.ASKING), cancel)
    driver.step(task_id)

    assert consumer.task(task_id)["status"] == "cancelled"
    assert Clip.objects.get(video_id=task_id).state == ClipState.SUBMITTED
    assert [event.status for event in TaskEvent.objects.filter(task_id=task_id)] == ["queued", "processing", "cancelled"]


def test_a_task_cancelled_before_it_was_sent_costs_nothing_and_is_never_sent(consumer, driver, minimax, ledger):
    task_id = consumer.generate()["task_id"]
    consumer.delete(f"/v1/video/generations/{task_id}")

    driver.step(task_id)

    assert minimax.creates == []
    assert ledger(task_id) == [("hold", Decimal("0.2")), ("capture", Decimal("0")), ("release", Decimal("0.2"))]


def test_a_worker_that_was_taken_for_dead_writes_nothing_when_it_comes_back(consumer, driver, minimax):
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.SUBMITTED)
    hold = threading.Event()
    minimax.next("query", Answer(hold=hold, status="Fail"))

    def take_over() -> None:
        minimax.wait_for("query")
        Task.objects.filter(pk=task_id).update(lease_until=clock.now() - timedelta(seconds=1))
        engine.advance(UUID(task_id), lane=Lane.ASKING)
        hold.set()

    in_threads(lambda: engine.advance(UUID(task_id), lane=Lane.ASKING), take_over)

    assert consumer.task(task_id)["status"] == "processing"


def test_a_hint_that_comes_again_while_its_step_is_at_work_does_nothing(consumer, driver, minimax):
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.SUBMITTED)
    [claim] = leases.claim_due(clock.now(), lane="asking", limit=5)
    hold = threading.Event()
    minimax.next("query", Answer(hold=hold, status="Processing"))
    before = len(minimax.calls("query"))

    def again() -> None:
        minimax.wait_for("query", before + 1)
        engine.advance(claim.task_id, lane=claim.lane, claim=claim.token)
        hold.set()

    in_threads(lambda: engine.advance(claim.task_id, lane=claim.lane, claim=claim.token), again)

    assert len(minimax.calls("query")) == before + 1


def test_a_media_step_is_never_done_in_the_provider_lane(consumer, driver):
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.STORED)

    engine.advance(UUID(task_id), lane=Lane.PROVIDER)

    assert consumer.task(task_id)["status"] == "processing"
    assert driver.finish(task_id).status == "completed"


def test_four_workers_that_look_at_once_claim_every_due_row_once(consumer, driver):
    ids = {consumer.generate()["task_id"] for _ in range(20)}
    claimed: list[str] = []

    in_threads(*[lambda: claimed.extend(str(claim.task_id) for claim in leases.claim_due(clock.now(), lane="provider", limit=15))] * 4)

    assert sorted(claimed) == sorted(ids)


@pytest.mark.skipif(ON_SQLITE, reason="it locks no rows")
def test_a_video_is_completed_while_somebody_holds_every_models_row(consumer, driver, sandbox):
    task_id = consumer.generate(duration=1, resolution="720x480")["task_id"]
    driver.until(task_id, ClipState.READY)
    ends: list[str] = []

    def complete() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")
        ends.append(driver.step(task_id).status)

    with transaction.atomic():
        assert list(VideoModel.objects.select_for_update())
        in_threads(complete)

    assert ends == ["completed"]
    assert Video.objects.get(pk=task_id).unfinished_assemblies == 0
    # What this clip took is kept, and learned with the next one.
    assert Timing.objects.count() == 1
    assert driver.finish(consumer.generate(duration=1, resolution="720x480")["task_id"]).status == "completed"
    assert VideoModel.objects.get(name="video-01").learned


def test_of_many_workers_two_take_the_last_two_places_of_an_account(consumer, driver, minimax, monkeypatch):
    monkeypatch.setattr(storage_check, "trouble", lambda: None)  # six at once would wait for one try of the storage
    ProviderAccount.objects.filter(from_environment=True).update(jobs_in_flight=2)
    ids = [consumer.generate()["task_id"] for _ in range(6)]

    in_threads(*[lambda task_id=task_id: driver.step(task_id) for task_id in ids])

    # Of those that stand in line the first waits for the account, the others for their turn.
    stages = Counter(Task.objects.values_list("stage", flat=True))
    assert (stages["preparing"], stages["queued"] + stages["waiting_for_rate_limit"]) == (2, 4)
    assert len(minimax.creates) == 2
    assert Clip.objects.filter(state=ClipState.SUBMITTED, account__from_environment=True).count() == 2
