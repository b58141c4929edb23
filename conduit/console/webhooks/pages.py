"""The list of endpoints, and one with its log."""

from typing import Any
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from conduit.api.pagination import parse_row_id
from conduit.console import new_secrets
from conduit.console.listing import listing, text_of
from conduit.console.pages import may, page, render
from conduit.console.webhooks.finding import endpoint_of
from tasks.notifications import log
from tasks.notifications.models import Delivery, Endpoint, State

# Of the log on one page.
DELIVERIES_SHOWN = 50
_STATES = {
    "in use": Q(disabled_at=None),
    "failing": Q(disabled_at=None, failing_since__isnull=False),
    "disabled": Q(disabled_at__isnull=False),
}
_WORDS: dict[str, str] = {State.PENDING: "waiting", State.DELIVERED: "delivered", State.FAILED: "given up"}
_ORDERS = {"newest": lambda found: found.order_by("-pk"), "name": lambda found: found.order_by("name", "pk")}


@page("webhooks/", name="webhooks", rights="notifications.view_endpoint")
def endpoints(request: HttpRequest) -> HttpResponseBase:
    text, state = text_of(request), request.GET.get("state", "")
    found: QuerySet[Endpoint] = Endpoint.objects.select_related("key", "team")
    if text:
        named = Q(name__icontains=text) | Q(key__name__icontains=text) | Q(team__name__icontains=text) | Q(public_id=text)
        found = found.filter(named | Q(url__icontains=text))
    if state in _STATES:
        found = found.filter(_STATES[state])
    query = {"q": text, "state": state}
    for name in ("key", "team"):
        if (number := parse_row_id(request.GET.get(name, ""))) is not None:
            found, query = found.filter(**{f"{name}_id": number}), query | {name: str(number)}
    shown = listing(request, found, _ORDERS, query)
    context = {"listing": shown, "q": text, "state": state, "states": _STATES, "query": query}
    return render(request, "console/webhooks/list.html", context, title="Webhooks")


@page("webhooks/<str:endpoint_id>/", name="webhook", rights="notifications.view_endpoint")
def endpoint(request: HttpRequest, endpoint_id: str) -> HttpResponseBase:
    found = endpoint_of(endpoint_id)
    deliveries = Delivery.objects.filter(endpoint=found)
    state, before = request.GET.get("state", ""), parse_row_id(request.GET.get("before", ""))
    rows = deliveries.select_related("message", "endpoint").prefetch_related("tries").order_by("-pk")
    rows = rows.filter(state=state) if state in State.values else rows
    rows = rows.filter(pk__lt=before) if before is not None else rows
    shown = list(rows[: DELIVERIES_SHOWN + 1])
    counts = log.counts(deliveries)
    context: dict[str, Any] = {
        "endpoint": found,
        "deliveries": shown[:DELIVERIES_SHOWN],
        "counts": [(_WORDS[name], count, name) for name, count in counts.items()],
        "given_up": counts[State.FAILED],
        "counted_most": log.COUNTED_MOST,
        "state": state,
        "older": urlencode({"state": state, "before": shown[-2].pk}) if len(shown) > DELIVERIES_SHOWN else "",
        "may_change": may(request, "notifications.change_endpoint"),
        "may_send": may(request, "notifications.send_webhooks"),
        "may_delete": may(request, "notifications.delete_endpoint"),
        "waiting": new_secrets.newest(request.session, found),
    }
    return render(request, "console/webhooks/endpoint.html", context, title=found.name)
