"""What this process knows of what its sockets want, and the messages that tell it. Belongs to the event loop, and never waits."""

import json
from bisect import bisect_right, insort
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from conduit.api.formats import rfc3339
from conduit.console.live.looking import Found, Row
from conduit.console.now.parts import Part, are_for
from tasks import progress
from tasks.changes import NEWEST, FollowedTask


@dataclass(slots=True)
class Due:
    """What one socket has yet to be told: whole rows, how far tasks are, parts of Now, how many tasks are newer, how it stands here."""

    rows: set[str] = field(default_factory=set)
    moved: set[str] = field(default_factory=set)
    parts: set[str] = field(default_factory=set)
    newer: bool = False
    standing: bool = False

    def __bool__(self) -> bool:
        return bool(self.rows or self.moved or self.parts or self.newer or self.standing)


class Newest:
    """The newest tasks, as far as anybody counts."""

    def __init__(self) -> None:
        self._ids: list[str] = []

    @property
    def last(self) -> str:
        return self._ids[-1] if self._ids else ""

    def begin(self, ids: Iterable[str]) -> None:
        self._ids = sorted(ids)

    def add(self, ids: Iterable[str]) -> None:
        """Again is fine."""
        for task_id in ids:
            if task_id not in self._ids[-NEWEST:]:
                insort(self._ids, task_id)
        del self._ids[:-NEWEST]

    def count_newer(self, than: str) -> int:
        return len(self._ids) - bisect_right(self._ids, than)


class News:
    """Rows, progress, parts of Now. `take` and `go_on` say what changed; `message` tells it."""

    def __init__(self) -> None:
        self.newest = Newest()
        self.stale_since: datetime | None = None
        self.looked_at: datetime | None = None
        self._rows: dict[str, Row | None] = {}
        self._followed: dict[str, FollowedTask] = {}
        self._timed_at: dict[str, datetime] = {}  # when what is left of a task was told: pages count it down from there
        self.running: frozenset[str] = frozenset()  # what Now shows
        self._parts: dict[str, Part] = {}
        self._encoded: dict[str, str] = {}
        # Made once for all sockets, until the next look.
        self._messages: dict[object, str] = {}
        self._for: dict[object, frozenset[str]] = {}

    def parts_for(self, names: Collection[str] | None, span: str, *, sees_money: bool) -> frozenset[str]:
        """Those of the parts (None: of all that are known) that a page of this span is told."""
        key = (None if names is None else frozenset(names), span, sees_money)
        if key not in self._for:
            self._for[key] = are_for(self._parts.keys() if names is None else names, span, sees_money=sees_money)
        return self._for[key]

    def knows(self, task_ids: Iterable[str]) -> set[str]:
        return {task_id for task_id in task_ids if task_id in self._rows}

    # ---- What happens

    def take(self, found: Found, now: datetime) -> tuple[set[str], set[str]]:
        """Learn what a look found; the tasks and the parts that are other than before."""
        self._messages, self._for = {}, {}
        wanted, self.running = found.tasks, found.running
        changed = {task_id for task_id, row in found.rows.items() if task_id not in self._rows or self._rows[task_id] != row}
        self._rows = {task_id: row for task_id, row in (self._rows | dict(found.rows)).items() if task_id in wanted}
        timed = self._timed_at | dict.fromkeys(changed, now)
        self._timed_at = {task_id: at for task_id, at in timed.items() if task_id in wanted}
        followed = {task_id: one for task_id, one in (self._followed | dict(found.followed)).items() if task_id in wanted}
        self._followed = {task_id: one for task_id, one in followed.items() if one.legs.is_active}
        self._encoded = {name: text for name, text in self._encoded.items() if name in wanted and name not in changed}
        if found.newest is not None:
            self.newest.begin(found.newest)
        self.newest.add(found.created)
        parts = {name for name, part in found.parts.items() if name not in self._parts or self._parts[name].key != part.key}
        self._parts |= found.parts
        return changed, parts

    def go_on(self, now: datetime) -> set[str]:
        """Lead the progress of active tasks on by the clock; those of which pages no longer know it."""
        moved = set()
        for task_id, standing in self._followed.items():
            row, reading = self._rows.get(task_id), progress.read(standing.legs, now)
            if row and (reading.progress != row["progress"] or self._is_off(task_id, row["eta_seconds"], reading.eta_seconds, now)):
                self._rows[task_id] = row | {"progress": reading.progress, "eta_seconds": reading.eta_seconds}
                self._timed_at[task_id] = now
                self._encoded.pop(task_id, None)
                moved.add(task_id)
        return moved

    def _is_off(self, task_id: str, told: int | None, left: int | None, now: datetime) -> bool:
        """Whether what pages count down from is no longer what is left, by more than anybody minds."""
        if told is None or left is None:
            return told is not left
        counted = max(0.0, told - (now - self._timed_at.get(task_id, now)).total_seconds())
        return abs(counted - left) > max(3.0, left / 5)

    # ---- What is told

    def message(self, due: Due, newer_than: str | None) -> str:
        """All that is due, as it is now."""
        key = (frozenset(due.rows), frozenset(due.moved), frozenset(due.parts), due.newer and newer_than, due.standing)
        if key not in self._messages:
            self._messages[key] = _object(self._told(due, newer_than))
        return self._messages[key]

    def _told(self, due: Due, newer_than: str | None) -> Iterable[tuple[str, str]]:
        tasks = [(task_id, self._row(task_id)) for task_id in due.rows if task_id in self._rows]
        tasks += [(task_id, self._progress(task_id)) for task_id in due.moved - due.rows if self._rows.get(task_id)]
        if tasks:
            yield "tasks", _object(tasks)
        if due.parts:
            yield "now", _object((name, _json(self._parts[name].content)) for name in due.parts if name in self._parts)
        if due.newer and newer_than is not None:
            yield "newest", _json(self.newest.last)
            yield "newer", str(self.newest.count_newer(newer_than))
        if due.standing:
            yield "at", _json(rfc3339(self.looked_at))
            yield "stale", _json(rfc3339(self.stale_since))

    def _row(self, task_id: str) -> str:
        if task_id not in self._encoded:
            self._encoded[task_id] = _json(self._rows[task_id])
        return self._encoded[task_id]

    def _progress(self, task_id: str) -> str:
        row: Mapping[str, Any] = self._rows[task_id] or {}
        return _json({"progress": row["progress"], "eta_seconds": row["eta_seconds"]})


def _json(value: object) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, separators=(",", ":"))


def _object(members: Iterable[tuple[str, str]]) -> str:
    """Of values that are encoded already."""
    return "{" + ",".join(f'"{name}":{text}' for name, text in members) + "}"
