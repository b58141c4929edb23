"""The page that reads the audit: who changed what, from where, and what it was before."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from conduit.api.errors import InvalidRequest
from conduit.api.pagination import parse_moment, parse_row_id
from conduit.console.audit.rows import rows
from conduit.console.audit.words import action_in_words, kind_in_words
from conduit.console.pages import page, render
from keys.audit_search import LOOKED_AT, Wanted, search, values_of

RIGHT = "keys.view_auditentry"
ROWS = 50
# Offered to be chosen; what is typed may be any other.
CHOICES_MAX = 100
TEXT_MAX = 200
# Filters by the names of their parameters, as the address and the form have them.
PARAMETERS = {"target": "target", "from": "address", "who": "who", "did": "action", "kind": "target_kind"}
_LABELS = {
    "q": "Words", "who": "Who", "did": "Did", "kind": "To a", "target": "Target", "from": "From", "since": "Since", "until": "Until",
}  # fmt: skip


@page("audit/", name="audit", rights=RIGHT)
def audit_page(request: HttpRequest) -> HttpResponseBase:
    """Its address is its search: `q`, the filters, `since`, `until`, and `before`, the row after which a later page begins."""
    asked = {name: value for name in _LABELS if (value := request.GET.get(name, "").strip()[:TEXT_MAX])}
    before = request.GET.get("before", "")
    if "" in request.GET.values():  # a form sends the fields that were left empty too
        return redirect(address(asked, **({"before": before} if before else {})))
    problems: dict[str, str] = {}
    begins, ends = (_moment(request.GET, name, problems) for name in ("since", "until"))
    filters = {column: asked[name] for name, column in PARAMETERS.items() if name in asked}
    found = search(
        Wanted(filters=filters, text=asked.get("q", ""), begins=begins, ends=ends),
        before=parse_row_id(before),
        limit=ROWS,
    )
    context = {
        "rows": rows(request, found.entries, asked),
        "asked": asked,
        "chips": [_chip(name, asked) for name in asked],
        "problems": problems,
        "who_choices": values_of("who", most=CHOICES_MAX),
        "action_choices": [(value, action_in_words(value)) for value in values_of("action", most=CHOICES_MAX)],
        "kind_choices": [(value, kind_in_words(value)) for value in values_of("target_kind", most=CHOICES_MAX)],
        "later_pages": bool(before),
        "newest": address(asked),
        "older": found.next_before and address(asked, before=str(found.next_before)),
        "looked_back_to": found.looked_back_to,
        "looked_at": LOOKED_AT,
    }
    return render(request, "console/audit/page.html", context, title="Audit")


def address(asked: dict[str, str], **more: str) -> str:
    """Where the page shows that search. A new search begins at the newest row."""
    query = urlencode({**asked, **more})
    return reverse("admin:audit") + (f"?{query}" if query else "")


def _chip(name: str, asked: dict[str, str]) -> dict[str, Any]:
    """One part of the search, and the address without it."""
    value = asked[name]
    shown = {"did": action_in_words, "kind": kind_in_words}.get(name, str)(value)
    return {"label": _LABELS[name], "value": shown, "without": address({other: kept for other, kept in asked.items() if other != name})}


def _moment(query: QueryDict, name: str, problems: dict[str, str]) -> datetime | None:
    if not query.get(name, "").strip():
        return None
    try:
        return parse_moment({name: str(query[name])}, name)
    except InvalidRequest as error:
        problems[name] = error.message
        return None
