from django.contrib import admin

from keys.admin import ReadOnly
from tasks.models import Task, TaskEvent


@admin.register(Task)
class TaskAdmin(ReadOnly):
    list_display = ["id", "key", "model", "status", "stage", "trouble", "price", "charged", "created_at"]
    list_filter = ["status", "trouble", "stage", "model", "key"]
    search_fields = ["id"]
    list_select_related = ["key"]
    date_hierarchy = "created_at"
    readonly_fields = ["created_at"]
    fieldsets = [
        ("What was asked for", {"fields": ["key", "kind", "model", "metadata", "retry_of", "created_at"]}),
        ("How it stands", {"fields": ["status", "stage", "stage_since", "trouble", "error", "error_code", "started_at", "ended_at"]}),
        ("USD", {"fields": ["price", "charged"]}),
        ("The step at hand", {"fields": ["lane", "next_step_at", "attempts", "lease_token", "lease_until", "updated_at"]}),
        ("Progress", {"fields": ["progress", "leg_goal", "leg_started_at", "leg_seconds", "rest_seconds"]}),
    ]


@admin.register(TaskEvent)
class TaskEventAdmin(ReadOnly):
    list_display = ["id", "created_at", "key", "position", "task_id", "status"]
    list_filter = ["status", "key"]
    search_fields = ["task__id"]
    list_select_related = ["key"]
    readonly_fields = ["created_at"]
