"""Pages of the console on which a key gets a new secret, and on which that is shown."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse

from conduit.api.errors import ApiError
from conduit.console import new_secrets
from keys import services

# What the form of a rotation may ask for.
GRACES = {"later": services.GRACE, "now": timedelta(0)}


class ShowsSecrets(admin.ModelAdmin):
    """After a key was made or rotated the browser is sent on to the secret's own page: that one can be loaded again."""

    change_form_template = "admin/keys/key.html"
    # A call that works as it stands and makes nothing: what the key's holder may ask about the key.
    first_call: str

    def new_secret(self, request: HttpRequest, key: Any, **how: Any) -> str:
        """Rotate the key (services.rotate_key); raises ApiError when that is refused."""
        raise NotImplementedError

    def newest_prefix(self, key: Any) -> str:
        raise NotImplementedError

    def rotation_facts(self, key: Any) -> dict[str, Any]:
        """What the page of a rotation says of the key's use."""
        raise NotImplementedError

    def figures(self, key: Any) -> dict[str, Any]:
        """What the head of the key's page shows."""
        return {}

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        own = [
            path("<path:object_id>/rotate/", self.admin_site.admin_view(self.rotate_view), name=f"{name}_rotate"),
            path("<path:object_id>/secret/<str:waiting>/", self.admin_site.admin_view(self.secret_view), name=f"{name}_secret"),
        ]
        return [*own, *super().get_urls()]

    def made(self, obj: Model, made: Model, secret: str) -> None:
        """`obj` is what the form built; it becomes the row that was made, with its secret, in this process's memory alone."""
        vars(obj).update(vars(made), new_secret=secret)

    def response_add(self, request: HttpRequest, obj: Model, post_url_continue: str | None = None) -> HttpResponse:
        return self._shown(request, obj, vars(obj)["new_secret"])

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """With figures, and the ways to a rotation and back to a secret that is still shown."""
        mine: dict[str, Any] = {}
        if request.method == "GET" and (key := self.get_object(request, object_id)) is not None:
            mine = self.figures(key)
            if self.has_change_permission(request, key):
                mine["rotate"] = self._address("rotate", key)
                if waiting := new_secrets.newest(request.session, key):
                    mine |= {"waiting": self._address("secret", key, waiting.name), "shown_until": waiting.until}
        return super().change_view(request, object_id, form_url, mine | (extra_context or {}))

    def secret_view(self, request: HttpRequest, object_id: str, waiting: str) -> HttpResponseBase:
        """The secret, as often as it is asked for, until its ten minutes are over."""
        key = self._key_to_change(request, object_id)
        found = new_secrets.find(request.session, key, waiting)
        context = self._context(request, key) | {"title": "A new secret" if found else "This secret is shown no more", "waiting": found}
        if found:
            context["curl"] = f'curl {settings.PUBLIC_URL}{self.first_call} -H "Authorization: Bearer {found.secret}"'
        headers = {"Cache-Control": "no-store"}
        return TemplateResponse(request, "admin/keys/secret.html", context, status=200 if found else 410, headers=headers)

    def rotate_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Asks first: says how the key is used, and what becomes of the old secret."""
        key = self._key_to_change(request, object_id)
        if request.method == "POST" and (grace := GRACES.get(request.POST.get("old", ""))) is not None:
            try:
                secret = self.new_secret(request, key, grace=grace, replacing=request.POST.get("replacing", ""))
            except ApiError as error:
                messages.error(request, error.message)
                return HttpResponseRedirect(self._address("change", key))
            return self._shown(request, key, secret)
        facts = self.rotation_facts(key) | {"replacing": self.newest_prefix(key), "grace_hours": services.GRACE // timedelta(hours=1)}
        return TemplateResponse(request, "admin/keys/rotate.html", self._context(request, key) | {"title": "Rotate"} | facts)

    @admin.action(permissions=["change"], description="Rotate…: a new secret")
    def rotate(self, request: HttpRequest, keys: QuerySet[Any]) -> HttpResponse | None:
        key = keys.first()
        if key is None or keys.count() > 1 or not self.has_change_permission(request, key):
            messages.error(request, "Choose one key that you may change: each new secret has a page of its own.")
            return None
        return HttpResponseRedirect(self._address("rotate", key))

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """No list can be filtered by what a secret's hash begins with."""
        return "secret_hash" not in lookup and super().lookup_allowed(lookup, value, request)

    def _shown(self, request: HttpRequest, key: Model, secret: str) -> HttpResponse:
        return HttpResponseRedirect(self._address("secret", key, new_secrets.keep(request.session, key, secret)))

    def _key_to_change(self, request: HttpRequest, object_id: str) -> Any:
        key = self.get_object(request, object_id)
        if key is None:
            raise Http404
        if not self.has_change_permission(request, key):
            raise PermissionDenied
        return key

    def _context(self, request: HttpRequest, key: Any) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "opts": self.opts, "key": key, "back": self._address("change", key)}

    def _address(self, page: str, key: Any, *more: str) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}", args=[key.pk, *more])
