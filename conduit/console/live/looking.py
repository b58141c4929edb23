"""What the pump reads: one look for all sockets of this process. It asks the database, and so belongs in a thread."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from conduit import clock
from conduit.console.live.wanted import Wanted
from conduit.console.tasks.rows import rows
from tasks import changes
from tasks.changes import Changes, Standing

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to know right now; `fresh` are the tasks that were not asked for with the last look."""

    tasks: frozenset[str]
    fresh: frozenset[str]
    now: bool


@dataclass(frozen=True, slots=True)
class Found:
    """Rows that changed (None: there is no such task), where they stand, new tasks, and the parts of Now.
    `newest`: all the newest, oldest first."""

    rows: Mapping[str, Row | None] = field(default_factory=dict)
    standings: Mapping[str, Standing] = field(default_factory=dict)
    created: tuple[str, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict)
    newest: list[str] | None = None


class Looking:
    """Belongs to one thread at a time."""

    def __init__(self) -> None:
        self._changes = Changes()
        self._updated: dict[str, datetime] = {}
        self._looked_at: datetime | None = None
        self._knows_newest = False

    def look(self, asked: Asked) -> Found:
        began = clock.now()
        seen = self._changes.look()
        changed = asked.tasks if seen.everything else asked.fresh | (seen.tasks & asked.tasks)
        newest = None
        if seen.everything or not self._knows_newest:
            newest = changes.newest_ids()
        standings = {one.task_id: one for one in changes.standings(asked.tasks, changed, self._looked_at or began)} if asked.tasks else {}
        changed |= {task_id for task_id, one in standings.items() if self._updated.get(task_id) != one.updated_at}
        read = rows_of(changed)
        self._updated |= {task_id: one.updated_at for task_id, one in standings.items()}
        self._updated = {task_id: at for task_id, at in self._updated.items() if task_id in asked.tasks}
        self._looked_at, self._knows_newest = began, True
        return Found(read, standings, seen.created, newest=newest)


def state(wanted: Wanted) -> dict[str, Any]:
    """All that a page wants to know, as it is now: for pages whose socket is away."""
    found: dict[str, Any] = {}
    if wanted.tasks:
        found["tasks"] = rows_of(wanted.tasks)
    if wanted.newer:
        found["newest"] = changes.newest_id()
        found["newer"] = changes.count_newer(wanted.newer_than) if wanted.newer_than else 0
    return found


def rows_of(task_ids: Collection[str]) -> dict[str, Row | None]:
    """The rows of all of them; None for each that is not there."""
    read = rows([UUID(task_id) for task_id in task_ids])
    return {task_id: read.get(UUID(task_id)) for task_id in task_ids}
