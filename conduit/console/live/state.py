"""The same as the socket tells, for pages whose socket is away: `/admin/live/state/`."""

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from conduit import clock
from conduit.api.errors import InvalidRequest, response_for
from conduit.api.formats import rfc3339
from conduit.console.live import looking
from conduit.console.live.wanted import in_query
from conduit.console.live.watchers import RIGHT
from conduit.console.now.parts import MONEY_RIGHT
from conduit.console.pages import may, page


@page("live/state/", name="live-state", rights=RIGHT)
def state(request: HttpRequest) -> HttpResponseBase:
    try:
        wanted = in_query(request.GET)
    except InvalidRequest as error:
        return response_for(error)
    found = looking.state(wanted, sees_money=may(request, MONEY_RIGHT)) | {"at": rfc3339(clock.now()), "stale": None}
    return JsonResponse(found, headers={"Cache-Control": "no-store"})
