"""What every endpoint's view stands on, and the answers of paths that have none."""

import hashlib
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.utils.http import parse_etags
from django.views.decorators.csrf import csrf_exempt
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from conduit.api.errors import METHOD_NOT_ALLOWED, ApiError, InternalError, InvalidRequest, MethodNotAllowed, NotFound, response_for
from conduit.api.models import OwnerKind


class ApiView(APIView):
    """A view of the API, one for each call."""

    # What the call is refused for, unless it was answered before (conduit.api.idempotency.idempotent).
    refusal: ApiError | None = None
    # Where to look, by a method that people try here and that is answered elsewhere.
    instead: ClassVar[Mapping[str, str]] = {}
    # What its calls are authenticated as, for those that are done once.
    owner_kind: ClassVar[OwnerKind] = OwnerKind.KEY

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        # Whatever the call is answered, an error or 304 included, carries these headers, where it has no others of the name.
        self.said: dict[str, str] = {}

    def finalize_response(self, request: Request, response: Any, *args: Any, **named: Any) -> Any:
        response = super().finalize_response(request, response, *args, **named)
        for name, value in self.said.items():
            response.headers.setdefault(name, value)
        return response


NOT_SERVED_HERE = "The request is malformed, or names a host that is not served here."


def tagged(request: Request, body: dict[str, Any]) -> HttpResponse:
    """A 200 with the body's ETag, or 304 when the client already has it."""
    rendered = JSONRenderer().render(body)
    etag = etag_of(rendered)
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    return not_modified(headers) if is_known(request, etag) else HttpResponse(rendered, content_type="application/json", headers=headers)


def etag_of(rendered: bytes) -> str:
    """The tag of that body."""
    return f'"{hashlib.sha256(rendered).hexdigest()[:32]}"'


def is_known(request: Request | HttpRequest, etag: str) -> bool:
    """Whether the client has that version."""
    return is_one_of(request.headers.get("If-None-Match", ""), etag)


def is_one_of(if_none_match: str, etag: str) -> bool:
    """Whether a header names that version. It compares weakly: a proxy that compresses makes W/"…" of our tag."""
    known = parse_etags(if_none_match)
    return "*" in known or etag in {tag.removeprefix("W/") for tag in known}


def not_modified(headers: dict[str, str]) -> HttpResponse:
    """304. It has no body, and so no type: a cache would take Django's default over to the version that it holds."""
    response = HttpResponse(status=304, headers=headers)
    del response["Content-Type"]
    return response


def read_only(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """A plain view that answers GET and HEAD, and says so to every other method in the envelope."""

    @csrf_exempt  # else a POST is told about cookies instead of the methods that there are
    @wraps(view)
    def checked(request: HttpRequest) -> HttpResponse:
        if request.method in ("GET", "HEAD"):
            return view(request)
        return response_for(MethodNotAllowed(METHOD_NOT_ALLOWED, headers={"Allow": "GET, HEAD"}))

    return checked


@csrf_exempt
def unknown_path(request: HttpRequest) -> HttpResponse:
    """Any path that nothing else answers, whatever the method."""
    return response_for(NotFound("There is nothing at this path. The API's calls begin with /v1/."))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler404: what is no path at all, such as `*`."""
    return unknown_path(request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400: a host that is not ours, a malformed request."""
    return response_for(InvalidRequest(NOT_SERVED_HERE))


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500: a crash outside every view."""
    return response_for(InternalError())
