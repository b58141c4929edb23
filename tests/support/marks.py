"""Marks that depend on the database of a run."""

import pytest

from tests.settings import ON_SQLITE

# For what costs much and asks little of SQLite that no other test asks: there `make soak` alone runs it.
SOAK_ON_SQLITE = [pytest.mark.soak] if ON_SQLITE else []
