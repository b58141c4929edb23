"""What showing a task joins, as each kind of task says when it registers (tasks.kinds)."""

from collections.abc import Sequence

_joins: dict[str, Sequence[str]] = {}
_for_operators: dict[str, Sequence[str]] = {}


def register(kind: str, joins: Sequence[str], *, for_operators: Sequence[str]) -> None:
    _joins[kind], _for_operators[kind] = joins, for_operators


def related() -> list[str]:
    """The joins with which any task can be shown in one query."""
    return [join for joins in _joins.values() for join in joins]


def related_for_operators() -> list[str]:
    """What showing any tasks to operators needs prefetched."""
    return [join for joins in _for_operators.values() for join in joins]
