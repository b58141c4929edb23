"""Locked log-ins in the console: seen, and let go. What Django calls deleting is unlocking."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from conduit import clock
from conduit.console.model_pages import who
from conduit.console.security import attempts
from conduit.console.security.models import Lock

# Their pages would show seeds and recovery codes: who has a second factor is a column of Users.
admin.site.unregister([TOTPDevice, StaticDevice])


@admin.register(Lock)
class LockAdmin(admin.ModelAdmin):
    list_display = ["__str__", "kind", "failures", "began_at", "until"]
    actions = ["unlock"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lock]:
        """Those that hold: one that is over is forgotten with the next log-in."""
        return Lock.objects.active(clock.now())

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Lock | None = None) -> bool:
        return False

    def get_actions(self, request: HttpRequest) -> Any:
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    @admin.action(permissions=["delete"], description="Unlock: hear these log-ins again")
    def unlock(self, request: HttpRequest, chosen: QuerySet[Lock]) -> None:
        words = ", ".join(map(str, chosen))
        if attempts.unlock(chosen, who=who(request)):
            messages.success(request, f"Unlocked: {words}.")

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().delete_view(request, object_id, {"title": "Unlock?"} | (extra_context or {}))

    def delete_model(self, request: HttpRequest, obj: Lock) -> None:
        attempts.unlock(Lock.objects.filter(pk=obj.pk), who=who(request))

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        messages.success(request, f"Unlocked: {obj_display}.")
        return HttpResponseRedirect(reverse("admin:security_lock_changelist"))
