"""Where things about tasks are in the console."""

from urllib.parse import urlencode
from uuid import UUID

from django.urls import NoReverseMatch, reverse


def task_address(task_id: UUID) -> str:
    """The page of a task."""
    try:
        return reverse("admin:task", args=[task_id])
    except NoReverseMatch:
        return reverse("admin:tasks_task_change", args=[task_id])


def tasks_address(search: str = "") -> str:
    """The list of the tasks that a search finds (tasks.search_language)."""
    try:
        found = reverse("admin:tasks")
    except NoReverseMatch:
        found = reverse("admin:tasks_task_changelist")
    return found + (f"?{urlencode({'q': search})}" if search else "")
