"""What costs seconds to start and serves many tests: started for the first that asks, stopped when the next test needs another."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from itertools import islice
from typing import Generic, TypeVar

import pytest

T = TypeVar("T")


class Shared(Generic[T]):
    """One thing for all tests with the fixture of this name; it comes back by itself from whatever a test kills."""

    def __init__(self, name: str, make: Callable[[], AbstractContextManager[T]]) -> None:
        self.name = name
        self._make = make
        self._open = ExitStack()
        self._things: list[T] = []

    def get(self) -> T:
        if not self._things:
            self._things.append(self._open.enter_context(self._make()))
        return self._things[0]

    def close(self) -> None:
        """Stop it; `get` starts another. May be called twice."""
        self._things.clear()
        self._open.close()

    def is_for(self, test: pytest.Item | None) -> bool:
        return self.name in getattr(test, "fixturenames", ())


def together(tests: Sequence[pytest.Item], groups: Sequence[str], *, workers: int) -> list[pytest.Item]:
    """The tests, those with a fixture named in `groups` one after the other at the beginning of a worker's share.

    pytest-xdist gives each worker a share of what stands together, and takes from its end what others are free to do: so
    what is shared starts in one worker, and the tests that take longest do not come last.
    """
    firsts: list[list[pytest.Item]] = [[] for _ in range(workers)]
    others = list(tests)
    for index, name in enumerate(groups):
        firsts[index % workers] += [test for test in others if name in getattr(test, "fixturenames", ())]
        others = [test for test in others if name not in getattr(test, "fixturenames", ())]
    ordered: list[pytest.Item] = []
    rest = iter(others)
    for index, first in enumerate(firsts):
        share = (len(tests) - len(ordered)) // (workers - index)
        ordered += [*first, *islice(rest, max(0, share - len(first)))]
    return [*ordered, *rest]
