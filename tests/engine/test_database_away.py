"""The database goes away while this process alone knows something: it is written when the database is back."""

import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.conf import LazySettings
from django.db import OperationalError, connection, connections

from keys.models import Team
from tasks import insisting
from tasks.models import Lane
from tests.settings import ON_SQLITE
from tests.support.driving import Driver
from tests.support.lookalike import Answer
from tests.support.relay import Relay
from videos import engine, provider_cancellation
from videos.models import Api, Clip, ClipState

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.skipif(ON_SQLITE, reason="a file is not away"),
]


def through(wire: Relay, work: Callable[[], object]) -> Callable[[], BaseException | None]:
    """Do the work in a thread whose connections to the database go through the wire; gives what waits for its end and returns its error."""
    error: list[BaseException] = []

    def run() -> None:
        own = connections["default"].settings_dict
        connections["default"].settings_dict = own | {"PORT": wire.port}
        try:
            work()
        except BaseException as raised:  # noqa: BLE001 - it is the test's to judge
            error.append(raised)
        finally:
            connections["default"].close()

    thread = threading.Thread(target=run)
    thread.start()

    def ended() -> BaseException | None:
        thread.join(60)
        assert not thread.is_alive()
        return error[0] if error else None

    return ended


def clip_of(task_id: str) -> Clip:
    return Clip.objects.get(video_id=task_id)


def test_an_answer_to_a_create_is_written_when_the_database_is_back(consumer, driver: Driver, minimax, wire: Relay):
    hold = threading.Event()
    minimax.next("create", Answer(hold=hold))
    task_id = consumer.generate()["task_id"]
    ended = through(wire, lambda: engine.advance(UUID(task_id), lane=Lane.PROVIDER))
    minimax.wait_for("create")
    wire.cut()
    hold.set()
    wire.wait_until_refused()

    wire.mend()

    assert ended() is None
    assert clip_of(task_id).provider_task_id == minimax.jobs[0].task_id
    assert driver.finish(task_id).status == "completed"
    assert len(minimax.creates) == 1


def test_a_database_that_stays_away_is_given_up_when_the_lease_is_over(consumer, driver, minimax, wire: Relay, settings: LazySettings):
    settings.LEASE_SECONDS = 1.5
    hold = threading.Event()
    minimax.next("create", Answer(hold=hold))
    task_id = consumer.generate()["task_id"]
    began = time.monotonic()
    ended = through(wire, lambda: engine.advance(UUID(task_id), lane=Lane.PROVIDER))
    minimax.wait_for("create")
    wire.cut()
    hold.set()

    assert isinstance(ended(), OperationalError)
    assert time.monotonic() - began < 25  # not as long as the database is away
    assert clip_of(task_id).state == ClipState.SUBMITTING


def test_a_stored_file_is_kept_when_the_answer_to_its_commit_is_lost(consumer, driver: Driver, minimax, media, monkeypatch):
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.LOCATED)
    lose_the_answer_of_the_next_commit(monkeypatch)

    task = driver.step(task_id)

    clip = clip_of(task_id)
    assert clip.state == ClipState.STORED
    assert (media / clip.file).exists()
    assert task.lease_token is None
    assert driver.finish(task_id).status == "completed"


def test_what_was_committed_although_its_answer_was_lost_is_not_done_again(monkeypatch):
    times = 0

    def write() -> str:
        nonlocal times
        times += 1
        Team.objects.create(name=f"team {times}")
        return f"written {times}"

    lose_the_answer_of_the_next_commit(monkeypatch)

    assert insisting.insist(write, until=lambda: time.monotonic() + 10) == "written 1"
    assert [team.name for team in Team.objects.all()] == ["team 1"]


def test_a_server_that_may_not_write_yet_is_waited_for():
    """A standby that takes another's place answers before it is the primary."""
    times = 0

    def write() -> None:
        nonlocal times
        times += 1
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY" if times == 1 else "SELECT 1")
        Team.objects.create(name="team")

    insisting.insist(write, until=lambda: time.monotonic() + 10)

    assert (times, Team.objects.count()) == (2, 1)


def test_a_transaction_that_the_servers_successor_never_had_is_done_again(monkeypatch):
    lose_the_answer_of_the_next_commit(monkeypatch)
    monkeypatch.setattr(insisting, "_number", lambda: str(10**9))

    insisting.insist(lambda: Team.objects.get_or_create(name="team"), until=lambda: time.monotonic() + 10)

    assert Team.objects.count() == 1


def test_a_transaction_that_its_server_has_not_given_up_yet_is_waited_for(monkeypatch):
    asked: list[str] = []
    was_committed = insisting._was_committed

    def slow_to_notice(tried: Any) -> bool:
        asked.append(tried.number)
        if len(asked) < 3:
            raise OperationalError("still under way")
        return was_committed(tried)

    monkeypatch.setattr(insisting, "_was_committed", slow_to_notice)
    lose_the_answer_of_the_next_commit(monkeypatch)

    insisting.insist(lambda: Team.objects.create(name="team"), until=lambda: time.monotonic() + 10)

    assert Team.objects.count() == 1
    assert len(asked) == 3


def test_what_minimax_answered_to_a_cancel_is_written_when_the_database_is_back(consumer, driver, minimax, wire: Relay, monkeypatch):
    task_id = consumer.generate()["task_id"]
    driver.until(task_id, ClipState.SUBMITTED)
    consumer.delete(f"/v1/video/generations/{task_id}")
    Clip.objects.filter(video_id=task_id).update(api=Api.V2, billed=1)

    class CancelledThere:
        def cancel(self, provider_task_id: str) -> bool:
            wire.cut()
            threading.Timer(0.5, wire.mend).start()
            return True

    monkeypatch.setattr(provider_cancellation, "provider_for", lambda clip: CancelledThere())

    assert through(wire, lambda: provider_cancellation.cancel_jobs(UUID(task_id)))() is None
    clip = clip_of(task_id)
    assert clip.called_off_at
    assert clip.billed == 0


def lose_the_answer_of_the_next_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database commits, and the connection breaks before it can say so."""
    commit = connection._commit
    lost: list[bool] = []

    def committed_and_gone() -> None:
        commit()
        if not lost:
            lost.append(True)
            connection.connection.close()
            raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(connection, "_commit", committed_and_gone)
