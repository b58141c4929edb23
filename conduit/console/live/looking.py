"""What the pump reads: one look for all sockets of this process. It asks the database, and so belongs in a thread."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from conduit import clock
from conduit.console.live.wanted import Wanted
from conduit.console.now.parts import Part, are_for, parts, reader
from conduit.console.tasks.rows import rows
from tasks import changes
from tasks.changes import Changes, FollowedTask

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to know right now: tasks, and Now with the figures of these spans."""

    tasks: frozenset[str]
    spans: frozenset[str]


@dataclass(frozen=True, slots=True)
class Found:
    """Rows that changed (None: there is no such task), where tasks stand, which are new, and the parts of Now.

    `tasks` are all that were looked at: those that were asked for, and those `running` that Now shows. `newest`: all the newest ones,
    oldest first.
    """

    tasks: frozenset[str] = frozenset()
    rows: Mapping[str, Row | None] = field(default_factory=dict)
    followed: Mapping[str, FollowedTask] = field(default_factory=dict)
    created: tuple[str, ...] = ()
    running: frozenset[str] = frozenset()
    parts: Mapping[str, Part] = field(default_factory=dict)
    newest: list[str] | None = None


class Looking:
    """Belongs to one thread at a time."""

    def __init__(self) -> None:
        self._changes = Changes()
        self._known: frozenset[str] = frozenset()
        self._updated: dict[str, datetime] = {}
        self._looked_at: datetime | None = None

    def look(self, asked: Asked) -> Found:
        """What happened since the last look."""
        began = clock.now()
        seen = self._changes.look()
        figures = reader.figures(asked.spans) if asked.spans else None
        running = frozenset(map(str, figures.live.running)) if figures else frozenset()
        tasks = asked.tasks | running
        newest = changes.newest_ids() if seen.everything or self._looked_at is None else None
        changed = tasks if seen.everything else (tasks - self._known) | (seen.tasks & tasks)
        followed = {one.task_id: one for one in changes.followed(tasks, changed, self._looked_at or began)} if tasks else {}
        changed |= {task_id for task_id, one in followed.items() if self._updated.get(task_id) != one.updated_at}
        rows = rows_of(changed)
        updated = self._updated | {task_id: one.updated_at for task_id, one in followed.items()}
        self._updated = {task_id: at for task_id, at in updated.items() if task_id in tasks}
        self._known, self._looked_at = tasks, began
        shown = parts(figures) if figures else {}
        return Found(tasks, rows, followed, seen.created, running, shown, newest)


def state(wanted: Wanted, *, sees_money: bool) -> dict[str, Any]:
    """All that a page wants to know, as it is now: for pages whose socket is away."""
    found: dict[str, Any] = {}
    ids = set(wanted.tasks)
    if wanted.now:
        figures = reader.figures([wanted.now])
        shown = parts(figures)
        found["now"] = {name: shown[name].content for name in are_for(shown, wanted.now, sees_money=sees_money)}
        ids |= set(map(str, figures.live.running))
    if ids:
        found["tasks"] = rows_of(ids)
    if wanted.newer:
        found["newest"] = changes.newest_id()
        found["newer"] = changes.count_newer(wanted.newer_than) if wanted.newer_than else 0
    return found


def rows_of(task_ids: Collection[str]) -> dict[str, Row | None]:
    """The rows of all of them; None for each that is not there."""
    read = rows([UUID(task_id) for task_id in task_ids])
    return {task_id: read.get(UUID(task_id)) for task_id in task_ids}
