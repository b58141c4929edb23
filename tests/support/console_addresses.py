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
    Address("keys", lambda many: "keys/"),
    Address("keys by what they spent", lambda many: "keys/?order=spent+this+month"),
    Address("keys of a team, found", lambda many: f"keys/?team={many.team}&q=key"),
    Address("teams by what they spent", lambda many: "keys/teams/?order=spent+this+month"),
    Address("a key", lambda many: f"keys/virtualkey/{many.first_key}/change/"),
    Address("keys to disable", lambda many: f"keys/disable/?key={many.first_key}&key={many.first_key + 1}"),
    Address("money", lambda many: "money/"),
    Address("money by key of a year", lambda many: "money/?span=year&by=key"),
    Address("money by team of a model", lambda many: "money/?span=30d&by=team&model=video-01"),
    Address("money of a key by model", lambda many: f"money/?span=90d&by=model&key={many.first_key}"),
    Address("a completed task", lambda many: f"tasks/{many.completed}/"),
    Address("a failed task", lambda many: f"tasks/{many.failed}/"),
    Address("a task under way", lambda many: f"tasks/{many.running}/"),
    Address("the parts of a task", lambda many: f"tasks/{many.running}/parts/"),
    Address("an old task", lambda many: f"tasks/{many.oldest}/"),
    Address("costs of a task", lambda many: f"keys/usagecost/?q={many.completed}"),
    Address("events of a task", lambda many: f"tasks/taskevent/?q={many.completed}"),
    Address("clips of a task", lambda many: f"videos/clip/?q={many.completed}"),
    Address("MiniMax's bill", lambda many: "money/bill/"),
    Address("MiniMax's bill of a year", lambda many: "money/bill/?span=year"),
    Address("models", lambda many: "models/"),
    Address("settings", lambda many: "settings/"),
)
