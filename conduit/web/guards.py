"""What Django asks of each request, asked of those that never reach it: the hub's and the sockets'."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest

from conduit.api.errors import ApiError, Forbidden, InvalidRequest
from conduit.api.views import NOT_SERVED_HERE
from conduit.web.refusals import Application, header, refused_with


def guarded(application: Application, *, for_own_pages: bool = False) -> Application:
    """The application for hosts of ALLOWED_HOSTS and, over WebSocket, scripts of CORS_ALLOWED_ORIGINS alone. Browsers keep other
    scripts from reading answers to requests; of WebSockets they keep nobody from anything.

    `for_own_pages`: a login opens it, which browsers send along for any page: only our own may ask, and nobody without an origin.
    """

    async def guard(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        try:
            host = _host(scope)
            if scope["type"] == "websocket":
                _check_origin(header(scope, b"origin"), host, own=for_own_pages)
        except ApiError as error:
            await refused_with(error)(scope, receive, send)
        else:
            await application(scope, receive, send)

    return guard


def _host(scope: Mapping[str, Any]) -> str:
    """The host that is asked for, as Django checks it."""
    request = HttpRequest()
    name, port = scope.get("server") or ("unknown", 0)
    request.META = {"SERVER_NAME": name, "SERVER_PORT": str(port)}
    if any(given == b"host" for given, _ in scope["headers"]):
        request.META["HTTP_HOST"] = header(scope, b"host")
    try:
        return request.get_host()
    except DisallowedHost:
        raise InvalidRequest(NOT_SERVED_HERE) from None


def _check_origin(origin: str, host: str, *, own: bool) -> None:
    """Programs send none. A page of ours is as good as a listed one: its host is the one that it asks."""
    if not own and (not origin or settings.CORS_ALLOW_ALL_ORIGINS or origin in settings.CORS_ALLOWED_ORIGINS):
        return
    if origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower(), settings.PUBLIC_URL.lower()):
        raise Forbidden("Scripts of this origin may not connect here.")
