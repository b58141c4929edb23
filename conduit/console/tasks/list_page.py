"""The list of all tasks, of every key: one box to search, one page at a time, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase, HttpResponseRedirect
from django.utils.dateparse import parse_datetime

from conduit import clock
from conduit.console.pages import account, may, page, render
from conduit.console.tasks.addresses import tasks_address
from conduit.console.tasks.rows import rows
from conduit.console.tasks.saved import shown_to
from tasks.ids import parse_task_id
from tasks.search import LOOKED_AT, Found, search
from tasks.search_language import QUALIFIERS, NotUnderstood, Term, quoted, written
from tasks.search_meaning import Meaning, meaning_of

# Rows of a page.
PAGE = 50
EXAMPLES = (
    ("status:failed created:>1d", "what failed within a day"),
    ("status:active wait>10m", "what has stood in its stage for more than ten minutes"),
    ("key:batch-eu -status:completed", "what a key has that is not completed"),
    ("cost>1 created:today", "what cost more than a dollar today"),
    ('"in the rain"', "words of a prompt"),
    ("id:4f18a6bc", "a task by the end of its id"),
)


@dataclass(frozen=True)
class Part:
    """A part of the search as a chip: what it is, and the address without it."""

    text: str
    without: str


@page("tasks/", name="tasks", rights="tasks.view_task")
def tasks_page(request: HttpRequest) -> HttpResponseBase:
    text = request.GET.get("q", "").strip()
    before, after = (parse_task_id(request.GET.get(name, "")) for name in ("before", "after"))
    context: dict[str, Any] = {
        "q": text,
        "saved": shown_to(account(request)),
        "own_search": True,
        "examples": EXAMPLES,
        "looked_at": LOOKED_AT,
        "looked_at_words": f"{LOOKED_AT:,}",
        "qualifiers": QUALIFIERS,
        "may_share": may(request, "console.share_search"),
        "may_cancel": may(request, "tasks.cancel_task"),
        "may_retry": may(request, "tasks.retry_task"),
        "may_delete": may(request, "tasks.delete_media"),
    }
    try:
        meaning = meaning_of(text, clock.now())
    except NotUnderstood as refused:
        return render(request, "console/tasks/list.html", context | {"refused": refused}, title="Tasks", status=400)
    listed = _listed(meaning, before=before, after=after)
    if after and not listed.newer:
        return HttpResponseRedirect(tasks_address(text))
    parts = [Part(term.text, tasks_address(written([*meaning.terms[:n], *meaning.terms[n + 1 :]]))) for n, term in enumerate(meaning.terms)]
    return render(request, "console/tasks/list.html", context | vars(listed) | {"parts": parts}, title="Tasks")


@dataclass(frozen=True)
class Listed:
    """A page of the list; `older`, `newer` and `further` are addresses, or empty."""

    rows: Sequence[dict[str, Any]]
    older: str
    newer: str
    further: str  # where it is looked on, when what was looked at holds no more
    is_first: bool
    count: int | None  # how many match among those that were looked at; None on a later page
    is_whole: bool  # whether that is all


def _listed(meaning: Meaning, *, before: UUID | None, after: UUID | None) -> Listed:
    text, is_first = written(meaning.terms), before is None and after is None
    # What is looked at for a page is also counted.
    found = search(meaning.wanted, after=after or before, limit=LOOKED_AT if is_first else PAGE, newer=after is not None)
    ids = list(found.task_ids[:PAGE])
    shown = rows(ids)
    ids = [one for one in (reversed(ids) if after else ids) if one in shown]
    further = (
        tasks_address(text, **{"after" if after else "before": found.next_after}) if found.next_after and len(found.task_ids) < PAGE else ""
    )
    return Listed(
        rows=[_linked(shown[one], meaning.terms) for one in ids],
        older=tasks_address(text, before=ids[-1])
        if ids and (after or len(found.task_ids) > PAGE or (found.next_after and not further))
        else "",
        newer=_newer(text, found, ids, after) if not is_first else "",
        further=further,
        is_first=is_first,
        count=len(found.task_ids) if is_first else None,
        is_whole=found.next_after is None,
    )


def _newer(text: str, found: Found, ids: Sequence[UUID], after: UUID | None) -> str:
    """The page of those that are newer; nothing when there are none, so that the first page is the one to show."""
    if after and found.next_after is None:
        return ""
    return tasks_address(text, after=ids[0]) if ids else tasks_address(text)


def _linked(row: dict[str, Any], terms: Sequence[Term]) -> dict[str, Any]:
    """The row for the template: each of its values with the address of the search for it, moments as such."""
    values = {
        "key": _name_or_number(row["key"]),
        "team": _name_or_number(row["team"]) if row["team"] else None,
        "model": row["model"],
        "seconds": str(row["seconds"]),
        "size": row["size"],
        "status": row["status"],
        "stage": row["stage"] if row["status"] in ("queued", "processing") else None,
        "error": row["error_code"],
    }
    created = parse_datetime(row["created"])
    assert created is not None  # noqa: S101 - rows() wrote it
    return row | {
        "searches": {name: tasks_address(narrowed(terms, name, value)) for name, value in values.items() if value},
        "created_at": created,
        "age": max(0.0, (clock.now() - created).total_seconds()),
        "cost": row["charged"] if row["charged"] is not None else row["price"],
        "is_active": row["status"] in ("queued", "processing"),
    }


def _name_or_number(owner: dict[str, Any]) -> str:
    """A name that reads as another thing is not written."""
    name = owner["name"]
    return str(owner["id"]) if not name or name.isdigit() or name.endswith("*") else name


def narrowed(terms: Sequence[Term], name: str, value: str) -> str:
    """The search with that value, in place of what it said of it before."""
    kept = [term for term in terms if term.name != name or term.excluded]
    return written([*kept, Term(f"{name}:{quoted(value)}", name, ":", (value,))])
