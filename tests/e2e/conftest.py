"""A whole stack for one test; the one that all tests share is `stack`."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.running import RunningStack


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
