"""What surrounds every request: an id, one line in the log, and an envelope even for what crashed."""

import re
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from conduit import traces
from conduit.api import always
from conduit.api.access_log import log_request
from conduit.api.callers import answering
from conduit.api.errors import classify, response_for
from conduit.api.network import client_address
from conduit.api.routes import route_of

# Asked every few seconds by load balancers and monitors; `/health/live` never comes as far as Django.
HEALTH_PATHS = frozenset({"/health", "/health/ready", "/metrics"})
_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{1,128}")

_NOT_SERVED = range(400, 500)


def request_id_of(sent: str) -> str:
    """The id that the client sent, or one of our own when it is not well formed."""
    return sent if _WELL_FORMED.fullmatch(sent) else f"req_{uuid.uuid4().hex}"


class RequestContext:
    """Gives each request its X-Request-ID (the client's when well formed), binds it to the logs, and writes the access line."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request_id = request_id_of(request.headers.get("X-Request-ID", ""))
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        began = time.perf_counter()
        with answering(request), self._traced(request):
            response = self.get_response(request)
        response["X-Request-ID"] = request_id
        always.put_on(response)
        if request.path.startswith("/v1/"):  # each answer belongs to the key that asked; one with an ETag says what may be kept
            response.headers.setdefault("Cache-Control", "private, no-store")
        # A client that asks for what is not there is logged, below these too.
        if not (request.path in HEALTH_PATHS or request.path.startswith("/static/")) or response.status_code in _NOT_SERVED:
            client = client_address(request)
            log_request(method=request.method or "", path=request.path, status=response.status_code, began=began, client=client)
        return response

    def _traced(self, request: HttpRequest) -> AbstractContextManager[None]:
        """What may make something has a trace, unless somebody gave it one before."""
        if request.method != "POST" or not request.path.startswith("/v1/") or traces.current():
            return nullcontext()
        return traces.serving(f"POST {route_of(request.path)}", request.headers.get("traceparent", ""))

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """A crash in a view outside REST framework (media, health): the envelope, unless it is a page for people."""
        return None if request.path.startswith("/admin/") else response_for(classify(exception))


class AnyHostForHealth:
    """Probes call a process by its address and may name any host: these paths alone hear none of it.

    What a client named is put away before anything could use it; every other path refuses a host that is not ours.
    """

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info in HEALTH_PATHS:
            request.META["HTTP_HOST"] = next((host.lstrip(".") for host in settings.ALLOWED_HOSTS if host != "*"), "localhost")
        return self.get_response(request)
