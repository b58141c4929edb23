"""What people see in the console when something is not there, not theirs, or broken. Programs are told so in the API's envelope."""

import sys

import structlog
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from conduit.api import views as api
from conduit.api.errors import OVERLOADED_RETRY_SECONDS, Forbidden, response_for
from conduit.console.pages import render

CONSOLE = "/admin/"
_PAGE = "console/errors/{}.html"


def _is_for_people(request: HttpRequest) -> bool:
    return request.path.startswith(CONSOLE)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler404."""
    if not _is_for_people(request):
        return api.not_found(request, exception)
    return render(request, _PAGE.format("not_found"), title="There is no such page", status=404).render()


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler403."""
    if not _is_for_people(request):
        return response_for(Forbidden("This is not allowed."))
    groups = request.user.groups.values_list("name", flat=True) if request.user.is_authenticated else []
    return render(request, _PAGE.format("forbidden"), {"groups": groups}, title="This is not yours to see or do", status=403).render()


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """CSRF_FAILURE_VIEW: a form without what shows that it came from a page of ours."""
    if not _is_for_people(request):
        return response_for(Forbidden("This call is not one of the API's, whose calls begin with /v1/."))
    return render(request, _PAGE.format("csrf"), title="This form was not taken", status=403).render()


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500. Its page leans on nothing that may be what is broken."""
    if not _is_for_people(request):
        return api.server_error(request)
    is_away = isinstance(sys.exc_info()[1], DatabaseError | InterfaceError)
    context = {"site_header": "Conduit", "is_away": is_away}
    context["title"] = "The database does not answer in time" if is_away else "Something broke"
    context["request_id"] = structlog.contextvars.get_contextvars().get("request_id", "")
    answer = HttpResponse(render_to_string(_PAGE.format("broken"), context), status=503 if is_away else 500)
    if is_away:
        answer.headers["Retry-After"] = str(OVERLOADED_RETRY_SECONDS)
    return answer
