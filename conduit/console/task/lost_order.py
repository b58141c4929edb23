"""Saying what became of a task's order whose answer was lost: each way says first what will happen."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase

from conduit.api.errors import ApiError
from conduit.console.model_pages import who
from conduit.console.pages import page, render
from conduit.console.tasks.addresses import task_address
from videos.lost_orders.deciding import Decision, decide, task_of, undecided

_DONE = {
    Decision.JOB: "It is written down as that job, which is asked for now.",
    Decision.NEVER_WAS: "It is written down that MiniMax did not take it.",
    Decision.GIVE_UP: "Given up: the task has failed, its hold went back, and the order is listed as one that may have been billed.",
}


@page("tasks/<uuid:task_id>/reconcile/", name="task-reconcile", rights="videos.reconcile_clip")
def reconcile(request: HttpRequest, task_id: UUID) -> HttpResponseBase:
    """It calls MiniMax when a job is named: no transaction is around it."""
    task = task_of(task_id)
    if task is None:
        raise Http404
    given = request.POST.get("provider_task_id", "").strip()
    if request.method == "POST" and request.POST.get("outcome") in Decision.values:
        decision = Decision(request.POST["outcome"])
        try:
            decide(task, decision, provider_task_id=given, who=who(request))
        except ApiError as error:
            messages.error(request, error.message)
        else:
            messages.success(request, _DONE[decision])
            return HttpResponseRedirect(task_address(task_id))
        task = task_of(task_id) or task
    clip = undecided(task)
    if clip is None:
        messages.error(request, "There is no order of this task whose answer was lost.")
        return HttpResponseRedirect(task_address(task_id))
    context = {"task": task, "clip": clip, "decisions": Decision, "given": given}
    return render(request, "console/task/reconcile.html", context, title="What became of this order?")
