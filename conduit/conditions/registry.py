"""Which conditions there are."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """What it means for the place while a condition holds; the worst that holds is how the place is."""

    NOTICE = 1  # worth knowing: everything goes on
    DEGRADED = 2  # some work waits, is late, or has less to spare
    UNAVAILABLE = 3  # no videos are made

    @property
    def word(self) -> str:
        return self.name.lower()


class CannotTell(Exception):
    """A look cannot know right now whether its condition holds: it stays as it was."""


# What a condition holds for, and one sentence on each.
Findings = Mapping[str, str]


@dataclass(frozen=True)
class Condition:
    """Something that can be wrong, told in plain words to the operator."""

    name: str  # for programs: lower_case_words, never renamed
    severity: Severity
    says: str  # what is wrong while it holds: a sentence
    found_by: str  # how it becomes known: a sentence
    what_to_do: str  # by the operator: sentences
    look: Callable[[], Findings] | None = None
    leads_to: str = ""  # the console's list of what it holds for, below /admin/
    on_every_page: bool = False  # of the console, although it is only worth knowing


_conditions: dict[str, Condition] = {}


def register(*conditions: Condition) -> None:
    """Add to the table; ValueError for a name that is taken or is none."""
    for condition in conditions:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,59}", condition.name):
            raise ValueError(f"{condition.name!r} is no name of a condition: lower case letters, digits and _, at most 60.")
        if condition.name in _conditions:
            raise ValueError(f"There is a condition {condition.name!r} already.")
        _conditions[condition.name] = condition


def registered() -> tuple[Condition, ...]:
    """All of them, in the order in which the rooms registered them: looks run in it."""
    return tuple(_conditions.values())


def named(name: str) -> Condition:
    """LookupError when none was registered by that name."""
    try:
        return _conditions[name]
    except KeyError:
        raise LookupError(f"No condition {name!r} was registered.") from None
