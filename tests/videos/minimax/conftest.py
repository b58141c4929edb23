"""What the tests of the client, and those of the sandbox, begin with."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clients import client_of
from tests.support.lookalike import LookAlike, make_mp4
from tests.videos.minimax.sandbox_driver import Driver, driven
from videos.minimax.v1 import MiniMaxV1


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture
def minimax() -> Iterator[LookAlike]:
    """A look-alike that was written apart from our sandbox."""
    with LookAlike(video=lambda job: make_mp4()) as server:
        yield server


@pytest.fixture
def client(minimax: LookAlike) -> MiniMaxV1:
    return client_of(minimax)


@pytest.fixture(scope="module")
def sandbox_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture
def driver(sandbox_home: Path) -> Iterator[Driver]:
    """Our sandbox, on a clock of the test's; what it made for earlier tests of the module is still there."""
    with driven(sandbox_home) as driver:
        yield driver
