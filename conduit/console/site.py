"""The admin site."""

from functools import wraps
from typing import TYPE_CHECKING, Any, cast

import structlog
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import DataError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse, TemplateResponse
from django.urls import path, reverse
from django.views.decorators.cache import never_cache

from conduit.conditions import Severity
from conduit.conditions.reading import place
from conduit.console import new_secrets
from conduit.console.audit.guard import guarded
from conduit.console.audit.model_pages import audited
from conduit.console.navigation import navigation
from conduit.console.now.figures import with_lists
from conduit.console.now.page import RIGHT, now_page
from conduit.console.pages import may, urls
from conduit.console.security.entry import may_enrol, may_enter
from conduit.console.security.login import code_step, password_step
from conduit.console.tasks.addresses import tasks_address
from keys import audit

if TYPE_CHECKING:
    from django.contrib.auth.models import User

log = structlog.get_logger(__name__)

# A number or moment that no column can hold, a text with NUL, JSON that is nested without end.
_BEYOND_BOUNDS = (DataError, OverflowError, RecursionError)
# What Django's pages meet where they take an address, or the rows that were chosen, as they come.
_UNREAD = (ValueError, TypeError, AttributeError)

# The pages of people who have to set up a second factor before anything else.
_OPEN_TO_ENROL = ("admin:second-factor", "admin:second-factor-codes", "admin:logout")


def _is_read_unchecked(request: HttpRequest) -> bool:
    return ACTION_CHECKBOX_NAME in request.POST if request.method == "POST" else bool(request.META.get("QUERY_STRING"))


class ConsoleSite(admin.AdminSite):
    site_header = "Conduit"
    site_title = "Conduit"
    index_title = "Console"
    site_url = None  # there is no page but this one
    enable_nav_sidebar = False  # the way is in the header, by what people do (conduit.console.navigation)

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """No page of a model changes anything that is not in the audit."""
        super().register(model_or_iterable, audited(admin_class or admin.ModelAdmin), **options)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        change = super().password_change

        def recorded() -> HttpResponse:
            answer = change(request, extra_context)
            if request.method == "POST" and answer.status_code == 302:  # else the form is shown again
                audit.record(action="set password", target=cast("User", request.user))
            return answer

        return guarded(request, recorded)

    def get_urls(self) -> list[Any]:
        """Own pages first: some stand where Django has a list of an app's models."""
        return [path("login/code/", never_cache(code_step), name="login-code"), *urls(self), *super().get_urls()]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Now, for people who may see tasks; for others the tables that they may see."""
        return now_page(request) if may(request, RIGHT) else super().index(request, extra_context)

    def has_permission(self, request: HttpRequest) -> bool:
        """A person who has to set up a second factor may do that, and log out."""
        if may_enter(request.user, request.session):
            return True
        return request.path in map(reverse, _OPEN_TO_ENROL) and may_enrol(request.user, request.session)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "GET" and may_enrol(request.user, request.session):
            return HttpResponseRedirect(reverse("admin:second-factor"))
        if request.method == "GET" and self.has_permission(request):
            return HttpResponseRedirect(reverse("admin:index"))
        return password_step(request, extra_context or {})

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Every page says when videos come from the sandbox, and what is wrong with the place, for people who may put it right."""
        context = super().each_context(request)
        is_in = may_enter(request.user, request.session)
        if is_in:
            context |= {"places": list(navigation(request)), "tasks_address": tasks_address()}
        context["minimax_sandbox"] = settings.MINIMAX_SANDBOX
        holding = place().holding if is_in else []
        context["conditions"] = with_lists(
            state for state in holding if state.condition.severity > Severity.NOTICE or state.condition.on_every_page
        )
        return context

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """What a page cannot read of its address or form is answered 400: Django's pages check some of it, and crash at the rest."""

        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            new_secrets.forget_old(request.session)
            try:
                answer = view(request, *args, **kwargs)
                return answer.render() if isinstance(answer, SimpleTemplateResponse) else answer
            except (*_BEYOND_BOUNDS, *_UNREAD) as error:
                # What stands in a form was checked by then, and without a query there is nothing to read: a fault of ours has to be seen.
                if not isinstance(error, _BEYOND_BOUNDS) and not _is_read_unchecked(request):
                    raise
                log.warning("a page of the console could not read what it was asked", path=request.path, exc_info=True)
                context = {**self.each_context(request), "title": "This cannot be read"}
                return TemplateResponse(request, "admin/unreadable.html", context, status=400)

        return super().admin_view(checked, cacheable)
