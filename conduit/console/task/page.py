"""The page of one task, whole, and its parts alone for the script that keeps it right."""

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase

from conduit import clock
from conduit.console.pages import page, render
from conduit.console.task.shown import TITLE_CHARACTERS, shown
from videos.story import story_of


@page("tasks/<uuid:task_id>/", name="task", rights="tasks.view_task")
def task_page(request: HttpRequest, task_id: UUID) -> HttpResponseBase:
    context = _context(request, task_id)
    prompt = context["task"].video.title
    title = prompt if len(prompt) <= TITLE_CHARACTERS else f"{prompt[:TITLE_CHARACTERS]}…"
    return render(request, "console/task/page.html", context, title=title)


@page("tasks/<uuid:task_id>/parts/", name="task-parts", rights="tasks.view_task")
def parts(request: HttpRequest, task_id: UUID) -> HttpResponseBase:
    """What changes of the page, without the frame."""
    answer = render(request, "console/task/parts.html", _context(request, task_id), title="")
    answer["Cache-Control"] = "no-store"
    return answer


def _context(request: HttpRequest, task_id: UUID) -> dict[str, Any]:
    story = story_of(task_id)
    if story is None:
        raise Http404
    return shown(request, story, clock.now())
