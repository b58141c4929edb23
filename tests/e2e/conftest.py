"""The whole stack, started once for the tests that need all of it."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.running import RunningStack


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """One stack that all tests share: it comes back by itself from whatever a test kills."""
    running = RunningStack()
    try:
        running.start()
        yield running
    finally:
        running.close()


@pytest.fixture
def start_stack() -> Iterator[Callable[..., RunningStack]]:
    """Start a stack for this test alone: `start_stack(QUEUED_SECONDS_MAX="5")`."""
    started: list[RunningStack] = []

    def start(**environment: str) -> RunningStack:
        started.append(RunningStack(**environment))
        started[-1].start()
        return started[-1]

    yield start
    for running in started:
        running.close()
