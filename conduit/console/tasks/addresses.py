"""Where things about tasks are in the console."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse

from tasks.search_language import TEXT_MAX, quoted


def task_address(task_id: UUID) -> str:
    """The page of a task."""
    return reverse("admin:task", args=[task_id])


def tasks_address(search: str = "", **further: Any) -> str:
    """The list of the tasks that a search finds (tasks.search_language); `further`: `before` or `after`, the id at which a page begins.

    What is longer than a search may be is none, and no address could hold it: that leads to the whole list.
    """
    search = search if len(search) <= TEXT_MAX else ""
    query = {name: value for name, value in {"q": search, **further}.items() if value}
    return reverse("admin:tasks") + (f"?{urlencode(query)}" if query else "")


def search_for(parts: Mapping[str, Any]) -> str:
    """A search by qualifiers and their values; None is any."""
    return " ".join(f"{name}:{quoted(str(value))}" for name, value in parts.items() if value is not None)
