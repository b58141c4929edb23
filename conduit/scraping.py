"""`/metrics`: the place's figures for Prometheus, the same at every web process."""

import hmac

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from prometheus_client.exposition import choose_encoder

from conduit import health
from conduit.api.errors import ApiError, Unauthenticated, response_for
from conduit.api.network import client_address
from conduit.api.pacing import Pace
from conduit.api.views import read_only
from conduit.metrics.exposition import Exposition

# Of callers without the token, for each address and web process; all addresses together ten times as much.
pace = Pace(per_second=5, burst=20, times_in_all=10)
_BEARER = "bearer "


@read_only
def metrics(request: HttpRequest) -> HttpResponse:
    """All of them, to who shows METRICS_TOKEN or a management key that may read, or is logged in to the console."""
    try:
        _check(request)
    except ApiError as refusal:
        return response_for(refusal)
    render, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(render(Exposition()), content_type=content_type, headers=health.NOT_KEPT)


def _check(request: HttpRequest) -> None:
    """The token is compared without asking anybody: what is away must not keep the place from being watched."""
    header = request.headers.get("Authorization", "")
    shown = header[len(_BEARER) :].strip() if header.lower().startswith(_BEARER) else ""
    if settings.METRICS_TOKEN and hmac.compare_digest(shown.encode(), settings.METRICS_TOKEN.encode()):
        return
    pace.count(client_address(request))
    if not health.is_an_operator(request):
        raise Unauthenticated(
            "Metrics are for who runs the place: send METRICS_TOKEN, or a management key that may read, as `Authorization: Bearer …`."
        )
