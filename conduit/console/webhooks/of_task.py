"""Who was told of a task by webhooks, and what came of it."""

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse

from conduit.api.errors import ApiError
from conduit.api.pagination import parse_row_id
from conduit.console.model_pages import who
from conduit.console.pages import may, page, render
from tasks.models import Task
from tasks.notifications import log
from tasks.notifications.models import Delivery, TaskTarget

# Of one task: its progress alone is told every ten seconds.
DELIVERIES_SHOWN = 200


@page("tasks/<uuid:task_id>/webhooks/", name="task-webhooks", rights="notifications.view_endpoint")
def webhooks_of_task(request: HttpRequest, task_id: UUID) -> HttpResponseBase:
    """GET shows them, newest first; a POST sends the `delivery` that it names again."""
    task = get_object_or_404(Task.objects.only("pk"), pk=task_id)
    about = Delivery.objects.filter(task_id=task_id)
    if request.method == "POST":
        if not may(request, "notifications.send_webhooks"):
            raise PermissionDenied
        chosen = get_object_or_404(about.select_related("endpoint"), pk=parse_row_id(request.POST.get("delivery", "")) or 0)
        try:
            log.redeliver(about.filter(pk=chosen.pk), of=chosen.endpoint or f"task:{task_id}", who=who(request))
            messages.success(request, "It is sent again.")
        except ApiError as error:
            messages.error(request, error.message)
        return HttpResponseRedirect(reverse("admin:task-webhooks", args=[task_id]))
    rows = about.select_related("message", "endpoint__key", "endpoint__team").prefetch_related("tries").order_by("-pk")
    context = {
        "task": task,
        "own": TaskTarget.objects.filter(pk=task_id).first(),
        "deliveries": rows[:DELIVERIES_SHOWN],
        "may_send": may(request, "notifications.send_webhooks"),
        "kept_days": settings.WEBHOOKS_KEPT_DAYS,
    }
    return render(request, "console/webhooks/of_task.html", context, title="Webhooks of this task")
