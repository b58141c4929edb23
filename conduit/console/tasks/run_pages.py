"""What is done to many tasks: asked first, with its money, and then followed on a page of its own."""

from typing import Any
from uuid import UUID, uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.http import urlencode

from conduit.api.errors import ApiError
from conduit.api.pagination import parse_row_id
from conduit.console.model_pages import who
from conduit.console.pages import may, page, render
from conduit.console.tasks.addresses import task_address, tasks_address
from conduit.console.tasks.rows import rows
from tasks import runs
from tasks.ids import parse_task_id
from tasks.run_models import Action, Run, RunOutcome

# Of the list of runs, and of the outcomes of one.
RUNS_SHOWN, OUTCOMES_SHOWN = 50, 100
_TITLES = {Action.CANCEL: "Cancel", Action.RETRY: "Retry", Action.DELETE: "Delete videos and prompts of"}


@page("tasks/act/", name="tasks-act", rights=tuple(runs.RIGHTS.values()))
def act(request: HttpRequest) -> HttpResponseBase:
    """Says what would be done; a POST does it. `task` are those that were chosen, `all` is all that `q` finds."""
    asked = request.POST if request.method == "POST" else request.GET
    action = next((action for action in Action if action == asked.get("do")), None)
    if action is None:
        return HttpResponseRedirect(tasks_address(asked.get("q", "")))
    if not may(request, runs.RIGHTS[action]):
        raise PermissionDenied
    text = asked.get("q", "").strip()
    chosen = None if asked.get("all") == "1" else [task_id for one in asked.getlist("task") if (task_id := parse_task_id(one))]
    try:
        if request.method == "POST":
            run = runs.begin(action, who=who(request), search_text=text, chosen=chosen, form_id=_form_id(asked.get("form_id", "")))
            return HttpResponseRedirect(run_address(run))
        if chosen == []:
            messages.error(request, f"Select the tasks to {action}, or “all that match”.")
            return HttpResponseRedirect(tasks_address(text))
        said = runs.preview(action, search_text=text, chosen=chosen)
    except ApiError as error:
        messages.error(request, error.message)
        return HttpResponseRedirect(tasks_address(text))
    context = {"action": action, "title_of_action": _TITLES[action], "for_which": runs.FOR_WHICH[action], "said": said, "q": text}
    context |= {"chosen": chosen, "form_id": uuid4(), "priced": runs.PRICED}
    context["count"] = f"{'at least ' if said.is_least and chosen is None else ''}{said.tasks:,} task{'' if said.tasks == 1 else 's'}"
    return render(request, "console/tasks/act.html", context, title=f"{_TITLES[action]} {context['count']}?")


def _form_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


@page("tasks/runs/", name="tasks-runs", rights="tasks.view_task")
def runs_page(request: HttpRequest) -> HttpResponseBase:
    shown = [_told(run) for run in Run.objects.all()[:RUNS_SHOWN]]
    return render(request, "console/tasks/runs.html", {"runs": shown, "most": RUNS_SHOWN}, title="Runs")


@page("tasks/runs/<int:run_id>/", name="tasks-run", rights="tasks.view_task")
def run_page(request: HttpRequest, run_id: int) -> HttpResponseBase:
    run = get_object_or_404(Run, pk=run_id)
    wanted, before = request.GET.get("outcome", ""), request.GET.get("before", "")
    outcomes = run.outcomes.all()
    if wanted in RunOutcome.Outcome.values:
        outcomes = outcomes.filter(outcome=wanted)
    if (number := parse_row_id(before)) is not None:
        outcomes = outcomes.filter(pk__lt=number)
    found = list(outcomes[: OUTCOMES_SHOWN + 1])
    shown = found[:OUTCOMES_SHOWN]
    tasks = rows([one.task_id for one in shown])
    context = _told(run) | {
        "outcomes": [_with_task(one, tasks) for one in shown],
        "wanted": wanted,
        "before": before,
        "older": _outcomes(run, outcome=wanted, before=shown[-1].pk) if len(found) > OUTCOMES_SHOWN else "",
        "may_stop": run.is_at_work and may(request, runs.RIGHTS[Action(run.action)]),
    }
    return render(request, "console/tasks/run.html", context, title=context["title"])


@page("tasks/runs/<int:run_id>/stop/", name="tasks-stop-run", rights=tuple(runs.RIGHTS.values()))
def stop_page(request: HttpRequest, run_id: int) -> HttpResponseBase:
    run = get_object_or_404(Run, pk=run_id)
    if not may(request, runs.RIGHTS[Action(run.action)]):
        raise PermissionDenied
    if request.method == "POST":
        if runs.stop(run, who=who(request)):
            messages.success(request, "Stopped. What was done stays done.")
        else:
            messages.info(request, "It had ended already.")
    return HttpResponseRedirect(run_address(run))


def run_address(run: Run) -> str:
    return reverse("admin:tasks-run", args=[run.pk])


def _outcomes(run: Run, **query: Any) -> str:
    return f"{run_address(run)}?{urlencode({name: value for name, value in query.items() if value})}"


def _told(run: Run) -> dict[str, Any]:
    """A run for the template."""
    total = max(run.expected if run.task_ids is None else len(run.task_ids), run.handled, 1)
    whole = f"{'at least ' if run.is_least and run.task_ids is None else ''}{run.expected:,} task{'' if run.expected == 1 else 's'}"
    return {
        "run": run,
        "title": f"{_TITLES[Action(run.action)]} {whole}",
        "percent": 100 if run.state == "done" else min(99, 100 * run.handled // total),
        "total": total,
        "address": run_address(run),
        "search_address": tasks_address(run.search),
        "counts": [(outcome.label, getattr(run, outcome.value), _outcomes(run, outcome=outcome.value)) for outcome in RunOutcome.Outcome],
    }


def _with_task(outcome: RunOutcome, tasks: dict[UUID, dict[str, Any]]) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "task": tasks.get(outcome.task_id),
        "retried_as": task_address(outcome.retried_as) if outcome.retried_as else "",
        "shape": {"done": "completed", "unchanged": "cancelled", "refused": "failed"}[outcome.outcome],
    }
