"""What a new task has to expect of the lines that it would stand in: told as it is created, before it stands anywhere.

The process that surveys lines writes the outlooks; a create reads them along with what it asks for anyhow, and adds what was made since.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from keys.models import VirtualKey
from tasks.line_models import Outlook
from tasks.models import FAIR_SHARE, Task

# The number of the row for keys that have nothing in line.
NEWCOMER = 0
KEY_TIMES = 3
# Tasks that were made since a survey are looked at, so many at most.
SINCE_MAX = 500
# A task that was made so shortly before a survey may not have been in line yet.
_BEFORE_SURVEY = timedelta(seconds=0.3)


class End(NamedTuple):
    """The end of a key's own line: where a further task of it would stand, and in how many seconds it would have its turn."""

    place: float
    seconds: float
    places_each: float  # and how much further each after it
    seconds_each: float


class Lines(NamedTuple):
    """What of the lines one key's create has read."""

    own: Any  # ends by line, as JSON that was read or not
    newcomers: Any
    own_since: int  # tasks of the key that were made since the survey
    others_since: int  # other keys with such

    def end_of(self, key: VirtualKey, model: str) -> tuple[int, float] | None:
        """Place and seconds of a new task of that key; None: nobody waits for what makes the model."""
        newcomers = _parsed(self.newcomers)
        if not newcomers or (line := newcomers["lines"].get(model)) is None:
            return None
        ends = newcomers["ends"][line]
        found = (_parsed(self.own) or {}).get(line)
        end = End(*(found or ends[str(key.priority)]))
        slot = ends["slot"]
        place = end.place + self.own_since * end.places_each + self.others_since
        return max(1, round(place)), end.seconds + self.own_since * end.seconds_each + self.others_since * slot


def columns(key: str) -> str:
    """The columns of Lines, for a statement that is made anyway. `key` stands there, KEY_TIMES times, for the key's number."""
    outlook, task = Outlook._meta.db_table, Task._meta.db_table
    # From the newest backwards, so that no plan reads the table, however many a planner takes for newer than a moment that it cannot see.
    newer = f"SELECT key_id FROM {task} WHERE id > (SELECT surveyed_id FROM {outlook} WHERE key_id = {NEWCOMER})"  # noqa: S608 - ours
    since = f"FROM ({newer} ORDER BY id DESC LIMIT {SINCE_MAX}) n WHERE n.key_id"
    ends = f"SELECT ends FROM {outlook} WHERE key_id ="  # noqa: S608 - our own tables
    counts = f"(SELECT count(*) {since} = {key}), (SELECT count(DISTINCT n.key_id) {since} <> {key})"
    return f"({ends} {key}), ({ends} {NEWCOMER}), {counts}"


def _parsed(value: Any) -> Mapping[str, Any] | None:
    """JSON, as text or read already, as the connection gives it."""
    found: Mapping[str, Any] | None = json.loads(value) if isinstance(value, str | bytes) else value
    return found


def expect(task: Task, lines: Lines | None) -> None:
    """Have a new task, which is not written yet, say what it has to expect."""
    if lines and (end := lines.end_of(task.key, task.model)):
        task.queue_position, seconds = end
        task.waits_for = FAIR_SHARE
        task.leg_seconds = max(task.leg_seconds, seconds)


def write(ends: Mapping[int, Mapping[str, Any]], now: datetime, *, newest: UUID) -> None:
    """Outlooks by key; those of other keys go. `newest`: the task in line that was made last."""
    surveyed_id = max(newest, UUID(int=int((now - _BEFORE_SURVEY).timestamp() * 1000) << 80))
    known = dict(Outlook.objects.values_list("key_id", "ends"))
    if gone := known.keys() - ends.keys():
        Outlook.objects.filter(pk__in=gone).delete()
    # The newcomers' row says when the survey was. Of the others what did not move is near enough: a second less to wait is no news.
    moved = {pk: found for pk, found in ends.items() if pk == NEWCOMER or _places(known.get(pk)) != _places(found)}
    rows = [Outlook(key_id=pk, ends=found, surveyed_id=surveyed_id) for pk, found in moved.items()]
    if rows:
        Outlook.objects.bulk_create(rows, update_conflicts=True, unique_fields=["key_id"], update_fields=["ends", "surveyed_id"])


def _places(ends: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return {line: (end[0], end[2]) for line, end in (ends or {}).items()}


def forget() -> None:
    """Nobody waits."""
    Outlook.objects.all().delete()
