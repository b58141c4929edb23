"""Which roll-ups there are. A room registers its own when its app is ready."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import models

from conduit.rollups.models import Stepped


@dataclass(frozen=True)
class RollUp:
    """Some tables of counts, and how they come about."""

    name: str
    tables: tuple[type[models.Model], ...]
    roll_up: Callable[[], bool] | None = None  # count a batch of what is new; False when nothing is left. None: others hand in
    first_left: Callable[[], datetime | None] | None = None  # when the first row was written that is not counted; None: all are
    rebuild: Callable[[], int] | None = None  # count all anew, in one transaction; how many rows were read. None: cannot be

    @property
    def stepped(self) -> list[type[Stepped]]:
        """The tables whose rows are forgotten by their step."""
        return [table for table in self.tables if issubclass(table, Stepped)]

    @property
    def by_day(self) -> list[type[models.Model]]:
        """The tables with a row for each day: what is older than they are kept is still in those of months."""
        return [table for table in self.tables if any(field.name == "day" for field in table._meta.concrete_fields)]


_registered: dict[str, RollUp] = {}


def register(*rollups: RollUp) -> None:
    for rollup in rollups:
        _registered[rollup.name] = rollup


def registered() -> tuple[RollUp, ...]:
    return tuple(_registered.values())
