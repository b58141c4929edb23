"""Pages of the console's own, beside those that Django's admin makes of models."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

View = Callable[..., HttpResponseBase]


@dataclass(frozen=True)
class Page:
    """An address below `/admin/`, and the view that answers there to people who have one of the rights."""

    route: str
    name: str
    view: View
    rights: tuple[str, ...]


_pages: list[Page] = []


def page(route: str, *, name: str, rights: str | tuple[str, ...] = ()) -> Callable[[View], View]:
    """Have the view answer at `/admin/<route>`, named `admin:<name>`, to staff with one of the rights (`tasks.view_task`), or 403."""
    needed = (rights,) if isinstance(rights, str) else rights

    def register(view: View) -> View:
        _pages.append(Page(route, name, view, needed))
        return view

    return register


def urls(site: admin.AdminSite) -> list[URLPattern]:
    """The addresses of all own pages, each behind the login of the site."""
    return [path(page.route, site.admin_view(_for_those_with_a_right(page)), name=page.name) for page in _pages]


def render(
    request: HttpRequest, template: str, context: dict[str, Any] | None = None, *, title: str, status: int = 200
) -> TemplateResponse:
    """The page in the console's frame."""
    return TemplateResponse(request, template, {**admin.site.each_context(request), "title": title, **(context or {})}, status=status)


def may(request: HttpRequest, *rights: str) -> bool:
    """Whether the account has one of the rights; whether it is staff when none is asked for."""
    user = request.user
    return any(map(user.has_perm, rights)) if rights else user.is_active and user.is_staff


def account(request: HttpRequest) -> User:
    """The person who is logged in: a page of the console lets nobody else in."""
    return request.user  # type: ignore[return-value]


def _for_those_with_a_right(page: Page) -> View:
    def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not may(request, *page.rights):
            raise PermissionDenied
        return page.view(request, *args, **kwargs)

    return view
