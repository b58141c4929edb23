"""What tests of every room share: keys, a client of the API, a MiniMax that is somebody else's, and its driver."""

import gc
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import hypothesis
import pytest
import redis
from django.conf import LazySettings
from django.core.files.storage import storages
from django.db import connection
from django.test import Client
from pytest_django import DjangoDbBlocker, fixtures

from conduit import beat, clock, heartbeats, messages
from conduit.conditions import reading
from conduit.postgresql import shared_line
from conduit.streams.breaker import breaker_of
from keys import rates, strangers
from keys.models import UsageCost, VirtualKey
from keys.services import create_key
from tests.settings import ON_SQLITE, PREPARED, VALKEY
from tests.support import media_once
from tests.support.driving import Driver
from tests.support.lookalike import LookAlike
from tests.support.relay import Relay
from tests.support.restoring import restored_by_snapshot
from tests.support.running import RunningStack
from tests.support.sharing import together
from tests.support.stacks import SHARED, STACK
from tests.support.time_travel import TimeTravel
from videos import kept_catalogue

pytest_plugins = ["tests.support.gate"]

# How fast examples come says how busy the machine is.
hypothesis.settings.register_profile("unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("unhurried")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A run of what is marked for SQLite reads no file in which nothing is: two of three."""
    if not config.option.markexpr.startswith("sqlite") or collection_path.suffix != ".py":
        return None
    return True if "mark.sqlite" not in collection_path.read_text() else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """What is collected stays: looking through it for garbage again and again took a quarter of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = together(items, [shared.name for shared in SHARED], workers=int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    for shared in SHARED:
        if not shared.is_for(nextitem):
            shared.close()


def pytest_sessionfinish() -> None:
    for shared in SHARED:
        shared.close()


@pytest.fixture(scope="session")
def prepared(django_db_blocker: DjangoDbBlocker) -> None:
    """Migrations ran in this run: databases of tests and of stacks are copies."""
    with django_db_blocker.unblock():
        PREPARED.ensure()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None, prepared: None) -> Iterator[None]:
    """The database that Django makes for tests, and migrates, is a copy that has been."""
    creation = connection.creation

    def copy(*_: object, **__: object) -> str:
        name = creation._get_test_db_name()
        PREPARED.copy(name)
        return name

    asked = fixtures._get_databases_for_setup

    def ours(items: Sequence[pytest.Item]) -> tuple[set[str], set[str]]:
        """Made too when no test asks for it itself: the processes that tests start do."""
        aliases, serialized = asked(items)
        return aliases | {"default"}, serialized

    with (
        mock.patch.object(creation, "_create_test_db", copy),
        mock.patch.object(fixtures, "_get_databases_for_setup", ours),
        nullcontext() if ON_SQLITE else mock.patch.object(creation, "_destroy_test_db"),
    ):
        yield  # PostgreSQL drops no database that somebody's thread is still connected to, and goes itself when the run ends


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The clock would not know that it is over."""
    with nullcontext() if ON_SQLITE else restored_by_snapshot(django_db_blocker):
        yield
    clock.stop()


@pytest.fixture
def wire() -> Iterator[Relay]:
    """A way to the database that can be cut; `database_url(wire.port)` leads over it."""
    with Relay(int(connection.settings_dict["PORT"])) as relay:
        yield relay


@dataclass
class Consumer:
    """Somebody with a key, who posts JSON and reads JSON."""

    key: VirtualKey
    secret: str
    http: Client = field(default_factory=Client)

    def __post_init__(self) -> None:
        self.http.defaults["HTTP_AUTHORIZATION"] = f"Bearer {self.secret}"

    def get(self, path: str, **headers: str) -> Any:
        return self.http.get(path, headers=headers)

    def post(self, path: str, body: object = None, **headers: str) -> Any:
        return self.http.post(path, {} if body is None else body, content_type="application/json", headers=headers)

    def delete(self, path: str) -> Any:
        return self.http.delete(path)

    def generate(self, prompt: str = "a cat", **wanted: object) -> dict[str, Any]:
        """The task that a create answered."""
        answer = self.post("/v1/video/generations", {"model": "minimax-video", "prompt": prompt, **wanted})
        assert answer.status_code == 202, answer.content
        return answer.json()

    def task(self, task_id: str) -> dict[str, Any]:
        answer = self.get(f"/v1/tasks/{task_id}")
        assert answer.status_code == 200, answer.content
        return answer.json()


def forget_calls() -> None:
    """Let all calls be counted from zero."""
    with redis.Redis.from_url(VALKEY.url) as counted:
        if names := list(counted.scan_iter("conduit:calls:*")):
            counted.delete(*names)


@pytest.fixture(autouse=True, scope="session")
def answers_are_waited_for() -> Iterator[None]:
    """What takes longer than a server may take in production, half a second and more, is no fault on a machine that is busy."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (rates, strangers, messages, heartbeats, beat):
            patch.setattr(module, "ANSWER_SECONDS", 30.0)
        patch.setattr(shared_line, "PATIENCE_SECONDS", 30.0)
        yield


@pytest.fixture(autouse=True)
def redis_is_not_known_to_be_away() -> None:
    breaker_of.cache_clear()


@pytest.fixture(autouse=True)
def the_database_is_not_known_to_be_away() -> None:
    """A thread finds out that it is back, for which a test that asked at a bad moment does not wait."""
    reading._database.away_since = None


@pytest.fixture(autouse=True)
def nobody_has_called() -> None:
    """On SQLite the id of a key that was rolled back comes again, a management key's too, and with it what was counted."""
    if ON_SQLITE:
        forget_calls()


@pytest.fixture(autouse=True)
def nobody_has_taught_this_process() -> None:
    """What clips took is kept for some seconds, and may be rolled back with a test."""
    kept_catalogue.forget()


@pytest.fixture
def make_consumer(db: None) -> Any:
    """Makes consumers: `make_consumer("ann")`. Their calls are counted from zero."""
    forget_calls()
    return lambda name="somebody": Consumer(*create_key(name=name))


@pytest.fixture
def time_travel(monkeypatch: pytest.MonkeyPatch) -> TimeTravel:
    """Moves the one clock: `time_travel.move_to(moment)`, `time_travel.shift(seconds)`."""
    return TimeTravel(monkeypatch)


@pytest.fixture
def consumer(make_consumer: Any) -> Consumer:
    return make_consumer()


@pytest.fixture
def stack(prepared: None) -> RunningStack:
    """One whole stack that all tests share: it comes back by itself from whatever a test kills."""
    return STACK.get()


@pytest.fixture
def ledger() -> Any:
    """What the ledger says of a task: `ledger(task_id) == [("hold", Decimal("0.2")), …]`, in the order written."""

    def rows(task_id: str) -> list[tuple[str, Decimal]]:
        return list(UsageCost.objects.filter(task_id=task_id).order_by("id").values_list("entry", "amount"))

    return rows


@pytest.fixture
def minimax(settings: LazySettings) -> Iterator[LookAlike]:
    """An independent MiniMax that the engine's client talks to, in time limits that no busy machine meets."""
    with LookAlike() as server:
        settings.MINIMAX_BASE_URL, settings.MINIMAX_API_KEY = server.url, server.key
        settings.MINIMAX_READ_SECONDS = settings.MINIMAX_CONNECT_SECONDS = 15.0
        settings.MINIMAX_DOWNLOAD_SECONDS = 60.0
        yield server


@pytest.fixture
def media(settings: LazySettings, tmp_path: Any) -> Any:
    """A storage and a scratch folder of this test's own; gives the storage's folder."""
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path / "media"}}
    }
    settings.WORK_DIR = tmp_path / "work"
    storages._storages.clear()
    return tmp_path / "media"


@pytest.fixture
def driver(settings: LazySettings, media: Any, minimax: LookAlike, monkeypatch: pytest.MonkeyPatch) -> Driver:
    """Does the engine's steps in this process, one after the other, without pauses between them."""
    media_once.remember(monkeypatch)
    settings.MINIMAX_POLL_SECONDS = settings.RETRY_SECONDS = 0
    return Driver()
