"""Whose streams are open at this moment."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from conduit.console.pages import may, page, render
from keys.models import VirtualKey
from tasks.realtime.seats import seats

# Keys of one page, those with the most streams first.
SHOWN = 200


@page("streams/", name="streams", rights="tasks.view_task")
def streams_page(request: HttpRequest) -> HttpResponseBase:
    counts = seats().blocking.taken_by_owner()
    most = sorted((counts or {}).items(), key=lambda one: (-one[1], int(one[0])))
    names = dict(VirtualKey.objects.filter(pk__in=[key_id for key_id, _ in most[:SHOWN]]).values_list("pk", "name"))
    context: dict[str, Any] = {
        "is_known": counts is not None,
        "rows": [(key_id, names.get(int(key_id), f"key {key_id}"), count) for key_id, count in most[:SHOWN]],
        "left_out": max(0, len(most) - SHOWN),
        "total": sum(count for _, count in most),
        "per_key": settings.STREAMS_PER_KEY,
        "in_all": settings.STREAMS_MAX,
        "sees_keys": may(request, "keys.view_virtualkey"),
    }
    return render(request, "console/streams.html", context, title="Open streams")
