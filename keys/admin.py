from typing import Any

from django.contrib import admin, messages
from django.forms import ModelForm
from django.http import HttpRequest

from keys.models import UsageCost, VirtualKey
from keys.services import create_key


@admin.register(VirtualKey)
class VirtualKeyAdmin(admin.ModelAdmin):
    list_display = ["name", "enabled", "expires_at", "created_at"]
    list_filter = ["enabled"]
    search_fields = ["name"]
    fields = ["name", "enabled", "expires_at", "created_at"]
    readonly_fields = ["created_at"]

    def save_model(self, request: HttpRequest, obj: VirtualKey, form: ModelForm, change: bool) -> None:
        if change:
            obj.save(update_fields=form.changed_data)
            return
        made, secret = create_key(name=obj.name, expires_at=obj.expires_at)
        if not obj.enabled:
            made.enabled = False
            made.save(update_fields=["enabled"])
        obj.__dict__.update(made.__dict__)
        messages.warning(request, f"The key's secret, shown this once: {secret}")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Its tasks and costs stay: disable it instead.
        return False


@admin.register(UsageCost)
class UsageCostAdmin(admin.ModelAdmin):
    list_display = ["created_at", "key", "entry", "amount", "currency", "model", "task_id"]
    list_filter = ["entry", "model", "key"]
    search_fields = ["task_id"]
    list_select_related = ["key"]
    date_hierarchy = "created_at"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
