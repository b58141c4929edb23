"""In which order a piece of work takes its locks, read off its statements on PostgreSQL."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

# As docs/concurrency.md has them; of statements that wait for rows that somebody else may have.
ORDER: list[tuple[str, re.Pattern[str]]] = [
    ("run", re.compile(r'"tasks_run".* FOR NO KEY UPDATE|^UPDATE "tasks_run"')),
    ("claim", re.compile(r'INTO "?api_keptanswer|"api_keptanswer".* FOR NO KEY UPDATE')),
    ("task", re.compile(r'^UPDATE "tasks_task"|"tasks_task".* FOR (NO KEY )?UPDATE')),
    ("key", re.compile(r"keys_(virtualkey|team).* FOR NO KEY UPDATE")),
    ("window", re.compile(r'INTO "?keys_budgetwindow|^UPDATE "keys_budgetwindow"')),
    ("feed", re.compile(r'INTO "?tasks_feed')),
]
_RANKS = [name for name, _ in ORDER]


class Locks:
    """What was taken in each transaction: of savepoints the outermost, since a test is one transaction itself."""

    def __init__(self) -> None:
        self.taken: list[list[str]] = []
        self._depth = 0
        self._held: set[str] = set()

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        statement = " ".join(sql.split())
        if statement.startswith("SAVEPOINT"):
            self._begin()
        elif statement.startswith("RELEASE"):
            self._depth -= 1
        elif self._depth:
            self._note(statement)
        return execute(sql, params, many, context)

    def _begin(self) -> None:
        if not self._depth:
            self.taken.append([])
            self._held = set()
        self._depth += 1

    def _note(self, statement: str) -> None:
        for name, waits in ORDER:
            if waits.search(statement) and name not in self._held:
                self._held.add(name)
                if "SKIP LOCKED" not in statement:
                    self.taken[-1].append(name)

    @property
    def climbing(self) -> list[list[str]]:
        return [taken for taken in self.taken if taken != sorted(taken, key=_RANKS.index)]

    @property
    def longest(self) -> list[str]:
        return max(self.taken, key=len, default=[])


@contextmanager
def locks_watched() -> Iterator[Locks]:
    """Fails when a transaction within took a lock after one that stands further down."""
    locks = Locks()
    with connection.execute_wrapper(locks):
        yield locks
    assert locks.climbing == []
