"""Rows of the audit as the page shows them: in words, each a link."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.dateparse import parse_datetime

from conduit.console.audit.words import action_in_words, kind_in_words, model_of
from conduit.console.moments import day_and_time
from conduit.console.tasks.addresses import task_address
from keys.models import AuditEntry
from tasks.models import Task
from tasks.notifications.models import Endpoint
from tasks.run_models import Run

# Fields of one row that are shown before the rest folds away.
SHOWN_FIELDS = 4
# A value that is longer is cut; the whole is in the audit.
VALUE_MAX = 300
_EMPTY: tuple[Any, ...] = (None, "", [], {})
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$", re.ASCII)
# What holds values and no pairs of before and after.
_WHOLE = ("create", "delete")


# What has a page of the console's own, and who may see it.
_RIGHTS: dict[type[Model], str] = {Run: "tasks.view_task", Endpoint: "notifications.view_endpoint"}


@dataclass(frozen=True)
class Change:
    """One field: what it was, if that is told, and what it is."""

    name: str
    after: str
    before: str | None = None
    link: str = ""


@dataclass(frozen=True)
class Row:
    """A row with the addresses that its words lead to."""

    entry: AuditEntry
    action: str
    kind: str
    name: str
    page: str  # the target's, empty where there is none any more
    links: dict[str, str]  # the same search with that value as a filter
    changes: list[Change]

    @property
    def shown(self) -> list[Change]:
        return self.changes[:SHOWN_FIELDS]

    @property
    def folded(self) -> list[Change]:
        return self.changes[SHOWN_FIELDS:]


def rows(request: HttpRequest, entries: Sequence[AuditEntry], asked: dict[str, str]) -> list[Row]:
    """All of a page, whose targets are looked for with one query of each kind."""
    mentioned = {entry.target for entry in entries} | {of for entry in entries if isinstance(of := entry.changes.get("of"), str)}
    pages = _pages_of(request, mentioned)
    return [_row(entry, pages, asked) for entry in entries]


def _row(entry: AuditEntry, pages: dict[str, str], asked: dict[str, str]) -> Row:
    values = {"who": entry.who, "from": entry.address, "did": entry.action, "kind": entry.target_kind, "target": entry.target}
    at = reverse("admin:audit")
    links = {name: f"{at}?{urlencode({**asked, name: value})}" for name, value in values.items() if value}
    _, _, number = entry.target.partition(":")
    return Row(
        entry=entry,
        action=action_in_words(entry.action),
        kind=kind_in_words(entry.target_kind),
        name=entry.target_name or number,
        page=pages.get(entry.target, ""),
        links=links,
        changes=[_change(entry.action, name, value, pages) for name, value in entry.changes.items() if value not in _EMPTY],
    )


def _change(action: str, name: str, value: Any, pages: dict[str, str]) -> Change:
    words = name.replace("_", " ")
    if action in _WHOLE or not (isinstance(value, list) and len(value) == 2):
        return Change(words, _shown(value), link=pages.get(value, "") if isinstance(value, str) else "")
    before, after = value
    if isinstance(before, list) and isinstance(after, list):
        return Change(words, _shown_lists(before, after))
    return Change(words, _shown(after), _shown(before))


def _shown(value: Any) -> str:
    match value:
        case _ if value in _EMPTY:
            return "empty"
        case bool():
            return "yes" if value else "no"
        case str() if _MOMENT.match(value) and (moment := parse_datetime(value)):
            return day_and_time(moment)
        case list():
            text = ", ".join(map(_shown, value))
        case dict():
            text = "; ".join(f"{name} {_shown(inner)}" for name, inner in value.items())
        case _:
            text = str(value)
    return text if len(text) <= VALUE_MAX else f"{text[:VALUE_MAX]}…"


def _shown_lists(before: list[Any], after: list[Any]) -> str:
    """What came and went: the whole of two long lists says less."""
    went = [f"without {_shown(value)}" for value in before if value not in after]
    came = [f"with {_shown(value)}" for value in after if value not in before]
    text = ", ".join([*went, *came]) or "another order"
    return text if len(text) <= VALUE_MAX else f"{text[:VALUE_MAX]}…"


def _pages_of(request: HttpRequest, targets: Iterable[str]) -> dict[str, str]:
    """The address of each target's page, where it still exists and the reader may see it."""
    by_kind: dict[str, set[str]] = {}
    for target in targets:
        kind, _, number = target.partition(":")
        by_kind.setdefault(kind, set()).add(number)
    found = {}
    for kind, numbers in by_kind.items():
        model = model_of(kind)
        model_admin = admin.site._registry.get(model) if model else None
        right = _RIGHTS.get(model) if model else None
        is_seen = request.user.has_perm(right) if right else model_admin and model_admin.has_view_permission(request)
        if model and is_seen:
            for pk in _existing(model, numbers):
                found[f"{kind}:{pk}"] = _page_of(model, pk)
    return found


def _existing(model: type[Model], numbers: Iterable[str]) -> Iterable[Any]:
    ids = []
    for number in numbers:
        try:
            ids.append(model._meta.pk.to_python(number))
        except (ValidationError, ValueError):  # words that stand for no row
            continue
    return model._base_manager.filter(pk__in=ids).values_list("pk", flat=True)


def _page_of(model: type[Model], pk: Any) -> str:
    if model is Endpoint:
        return reverse("admin:webhook", args=[pk])
    if model is Run:
        return reverse("admin:tasks-run", args=[pk])
    if model is Task:
        return task_address(pk)
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[pk])
