"""Stacks with an environment of their own; the one that all tests share is `stack`."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.support.running import RunningStack, running
from tests.support.stacks import ELSEWHERE, NUMBERED, Elsewhere


@pytest.fixture
def start_stack(prepared: None) -> Iterator[Callable[..., RunningStack]]:
    """Start a stack for this test alone: `start_stack(QUEUED_SECONDS_MAX="5")`."""
    with ExitStack() as started:
        yield lambda **environment: started.enter_context(running(**environment))


@pytest.fixture
def numbered(prepared: None) -> RunningStack:
    """A stack whose clips number their frames."""
    return NUMBERED.get()


@pytest.fixture
def elsewhere(prepared: None) -> Elsewhere:
    """A stack whose MiniMax is somebody else's, with two hosts of which none tells a file's size."""
    return ELSEWHERE.get().as_usual()
