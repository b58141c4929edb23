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


@admin.register(TaskEvent)
class TaskEventAdmin(ReadOnly):
    list_display = ["id", "created_at", "key", "position", "task", "status"]
    list_filter = ["status", "key"]
    search_fields = ["task__id"]
    list_select_related = ["key", "task"]
