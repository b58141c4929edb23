"""Marks that depend on the database of a run."""

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from tests.settings import ON_SQLITE

Test = TypeVar("Test", bound=Callable[..., Any])

# For what costs much and asks little of SQLite that no other test asks: there `make soak` alone runs it.
SOAK_ON_SQLITE = [pytest.mark.soak] if ON_SQLITE else []


def soak_on_sqlite(test: Test) -> Test:
    """The same for one test of a file."""
    return pytest.mark.soak(test) if ON_SQLITE else test
