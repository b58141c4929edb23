"""Disabling and enabling several keys at once: asked first, with what will happen, and told key by key."""

from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect

from conduit.api.errors import ApiError
from conduit.api.pagination import parse_row_id
from conduit.console.listing import ROWS
from conduit.console.model_pages import who
from conduit.console.pages import page, render
from keys import overview, services
from keys.models import VirtualKey


@page("keys/disable/", name="keys-disable", rights="keys.change_virtualkey")
def disable(request: HttpRequest) -> HttpResponseBase:
    return _switch(request, enabled=False)


@page("keys/enable/", name="keys-enable", rights="keys.change_virtualkey")
def enable(request: HttpRequest) -> HttpResponseBase:
    return _switch(request, enabled=True)


def _switch(request: HttpRequest, *, enabled: bool) -> HttpResponseBase:
    """GET says what will happen to the keys that the query names, POST does it to those of the form."""
    chosen = _chosen(request)
    changing = [key for key in chosen if key.enabled is not enabled]
    if request.method == "POST":
        _change(request, changing, enabled=enabled)
        return redirect("admin:keys")
    rows = overview.rows(changing)
    context = {
        "rows": rows,
        "same": len(chosen) - len(changing),
        "enabled": enabled,
        "in_flight": sum(row.in_flight for row in rows),
    }
    return render(request, "console/keys/switch.html", context, title="Enable keys" if enabled else "Disable keys")


def _chosen(request: HttpRequest) -> list[VirtualKey]:
    """Those that are not deleted, of a page of the list at most."""
    asked = (request.POST if request.method == "POST" else request.GET).getlist("key")[:ROWS]
    ids = [number for text in asked if (number := parse_row_id(text)) is not None]
    return list(VirtualKey.objects.filter(pk__in=ids, deleted_at=None).select_related("team").order_by("name", "pk"))


def _change(request: HttpRequest, keys: Sequence[VirtualKey], *, enabled: bool) -> None:
    done = []
    for key in keys:
        try:
            services.change_key(key, who=who(request), enabled=enabled)
            done.append(key.name)
        except ApiError as error:  # somebody else was quicker, and deleted it
            messages.error(request, f"{key.name}: {error.message}")
    if done:
        count = "1 key" if len(done) == 1 else f"{len(done)} keys"
        messages.success(request, f"{'Enabled' if enabled else 'Disabled'} {count}: {', '.join(done)}.")
