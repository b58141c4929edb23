"""Every page, list, filter and search of the console whose cost must not grow with the number of tasks: one table for the test of
their plans (tests/console/test_plans.py) and for `make bench-console`. A new page puts its addresses here."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.support.many import Many
from tests.support.plans import READ_MAX


@dataclass(frozen=True)
class Address:
    """A page, by its address below `/admin/`."""

    name: str
    path: Callable[[Many], str]
    most: int = READ_MAX  # rows that each of its queries reads at most


ADDRESSES = (
    Address("first page", lambda many: ""),
    Address("models", lambda many: "models/"),
    Address("settings", lambda many: "settings/"),
)
