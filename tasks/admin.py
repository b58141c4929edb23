from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from tasks.models import Task, TaskEvent


class ReadOnly(admin.ModelAdmin):
    """Rows that only the engine writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Task)
class TaskAdmin(ReadOnly):
    list_display = ["id", "key", "model", "status", "stage", "trouble", "price", "charged", "created_at"]
    list_filter = ["status", "trouble", "stage", "model", "key"]
    search_fields = ["id"]
    list_select_related = ["key"]
    date_hierarchy = "created_at"


@admin.register(TaskEvent)
class TaskEventAdmin(ReadOnly):
    list_display = ["id", "created_at", "key", "task", "status"]
    list_filter = ["status", "key"]
    search_fields = ["task__id"]
    list_select_related = ["key", "task"]
