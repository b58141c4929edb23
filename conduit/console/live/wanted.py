"""What a page wants to be told of."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from conduit.api.errors import InvalidRequest
from conduit.rollups.steps import HOUR, SPANS
from tasks.ids import parse_task_id

# Tasks that one page may follow: a list shows a page of them.
TASKS_MAX = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """`now`: the first page, with the figures of that span of time; `tasks`: rows; `newer`: how many tasks are newer than one (True:
    than any of now)."""

    now: str = ""
    tasks: frozenset[str] = frozenset()
    newer: str | bool = False

    @property
    def newer_than(self) -> UUID | None:
        return UUID(self.newer) if isinstance(self.newer, str) else None


def in_message(text: str) -> Wanted:
    """What a socket's message asks for: `{"watch": {"now": "1h", "tasks": ["<id>", …], "list": true or "<newest id shown>"}}`.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        message = json.loads(text)
        watch = message["watch"]
    except (ValueError, TypeError, LookupError, RecursionError):
        raise InvalidRequest('Send `{"watch": {…}}`.') from None
    if not isinstance(watch, dict):
        raise InvalidRequest("`watch` must be an object.", param="watch")
    return _wanted(now=watch.get("now"), tasks=watch.get("tasks") or [], newer=watch.get("list"))


def in_query(query: Mapping[str, str]) -> Wanted:
    """The same of an address: `?now=1h&tasks=a,b&list=1` or `list=<id>`.

    Raises:
        InvalidRequest: it cannot be read.
    """
    tasks, newer = query.get("tasks", ""), query.get("list", "")
    return _wanted(now=query.get("now"), tasks=tasks.split(",") if tasks else [], newer=True if newer == "1" else newer)


def _wanted(*, now: object, tasks: Any, newer: object) -> Wanted:
    if not isinstance(tasks, list) or len(tasks) > TASKS_MAX:
        raise InvalidRequest(f"`tasks` must be a list of at most {TASKS_MAX} ids.", param="tasks")
    ids = frozenset(_id(task, "tasks") for task in tasks)
    if now and now is not True and not (isinstance(now, str) and now in SPANS):
        raise InvalidRequest(f"`now` must be one of {', '.join(SPANS)}.", param="now")
    return Wanted(HOUR.name if now is True else str(now or ""), ids, _id(newer, "list") if newer and newer is not True else bool(newer))


def _id(text: object, param: str) -> str:
    if isinstance(text, str) and (task_id := parse_task_id(text)):
        return str(task_id)
    raise InvalidRequest(f"`{param}` holds what is no task's id.", param=param)
