"""Lists of a key's tasks, newest first: a page of all of them, or of those that a query string asks for.

What has no index in this order is looked for among the newest rows that one call may look at (tasks.search): such a page may hold fewer
tasks than `limit`, even none, and still lead on.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import QueryDict

from conduit.api.errors import InvalidRequest
from conduit.api.pagination import page, parse_moment
from keys.models import VirtualKey
from tasks.ids import parse_task_id
from tasks.models import Status, Task
from tasks.presentation import show
from tasks.search import Comparison, Wanted, any_of, search
from tasks.search_meaning import metadata_is

_FILTERS = frozenset({"status", "model", "created_after", "created_before"})
_METADATA = re.compile(r"metadata\[(?P<name>.*)\]", re.DOTALL)
# Names of metadata that one list is filtered by.
METADATA_MAX = 16


def list_of(key: VirtualKey, query: QueryDict, *, limit: int, now: datetime, kind: str | None = None) -> dict[str, Any]:
    """The page that the query string asks for; `kind`: of those tasks alone.

    Raises:
        InvalidRequest: naming the parameter at fault.
    """
    after = _after(key, query)
    tasks = Task.objects.for_key(key).order_by("-id")
    if kind:
        tasks = tasks.filter(kind=kind)
    leads_on: dict[str, Any] = {}
    if any(name in _FILTERS or name.startswith("metadata[") for name in query):
        found = search(_wanted(key, query), after=after, limit=limit)
        tasks = tasks.filter(pk__in=found.task_ids)
        leads_on = {"has_more": True, "last_id": str(found.next_after)} if found.next_after else {}
    elif after:
        tasks = tasks.filter(pk__lt=after)
    return page(tasks[: limit + 1], limit, lambda task: show(task, now), id_field="task_id") | leads_on


def parse_statuses(query: QueryDict) -> frozenset[str] | None:
    """`status=failed,cancelled`, `status=failed&status=cancelled`: any of them; None without it."""
    if "status" not in query:
        return None
    statuses = frozenset(status for value in query.getlist("status") for status in value.split(","))
    if not statuses <= frozenset(Status.values):
        raise InvalidRequest(f"`status` must be one of {', '.join(Status.values)}, or several with commas between them.", param="status")
    return statuses


def _wanted(key: VirtualKey, query: QueryDict) -> Wanted:
    return Wanted(
        key_id=frozenset({key.pk}),
        model=frozenset({_text(query, "model")}) if "model" in query else None,
        status=parse_statuses(query),
        created_after=parse_moment(query, "created_after"),
        created_before=parse_moment(query, "created_before"),
        further=tuple(_metadata(query)),
    )


def _metadata(query: QueryDict) -> Iterator[Comparison]:
    """`metadata[order]=7`: all names have to fit; of a name that is there twice either value."""
    asked = {name: match["name"] for name in query if (match := _METADATA.fullmatch(name))}
    if len(asked) > METADATA_MAX:
        raise InvalidRequest(f"A list can be filtered by at most {METADATA_MAX} names of metadata.", param="metadata")
    for parameter, name in asked.items():
        values = [_checked(value, parameter) for value in query.getlist(parameter)]
        if not name or "\0" in name:
            raise InvalidRequest("`metadata[NAME]` must name what is compared, such as `metadata[order]=7`.", param="metadata")
        yield any_of([metadata_is(name, value) for value in values])


def _text(query: Mapping[str, str], name: str) -> str:
    return _checked(query[name], name)


def _checked(text: str, name: str) -> str:
    if "\0" in text:
        raise InvalidRequest(f"`{name}` holds a NUL character.", param=name.partition("[")[0])
    return text


def _after(key: VirtualKey, query: Mapping[str, str]) -> UUID | None:
    if "after" not in query:
        return None
    after = parse_task_id(query["after"])
    if after is None or not Task.objects.for_key(key).filter(pk=after).exists():
        raise InvalidRequest("`after` must be the id of one of this key's tasks.", param="after")
    return after
