"""Cancelling and retrying a task from its page: what it costs is said first, and a form that is sent twice does it once."""

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase

from conduit.api.errors import ApiError
from conduit.api.idempotency import AnsweredBefore, Idempotency, answer_of
from conduit.api.models import KeptAnswer
from conduit.console.model_pages import who
from conduit.console.pages import page, render
from conduit.console.tasks.addresses import task_address
from conduit.console.written import usd
from tasks import kinds, steering
from tasks.ids import parse_task_id
from tasks.models import CAN_BE_RETRIED, Task
from videos.services import quote_of_retry


@page("tasks/<uuid:task_id>/cancel/", name="task-cancel", rights="tasks.cancel_task")
def cancel(request: HttpRequest, task_id: UUID) -> HttpResponseBase:
    task = _task_of(task_id)
    if request.method == "POST":
        try:
            steering.cancel(task, who=who(request))
        except ApiError as error:
            messages.error(request, error.message)
        else:
            _tell_cancelled(request, task)
        return _to(task_id)
    if not task.is_active:
        messages.error(request, f"This task is {task.status}: only one that is queued or processing can be cancelled.")
        return _to(task_id)
    charged = kinds.kind_of(task).owed_when_cancelled(task)
    context = {"task": task, "charged": charged, "back": task.price - charged}
    return render(request, "console/task/cancel.html", context, title="Cancel this task?")


def _tell_cancelled(request: HttpRequest, task: Task) -> None:
    task.refresh_from_db()
    charged = task.charged or Decimal(0)
    back = f"{usd(task.price - charged)} went back to its key"
    messages.success(request, f"Cancelled: {back}, {usd(charged)} is charged." if charged else f"Cancelled: {back}.")


@page("tasks/<uuid:task_id>/delete-media/", name="task-delete-media", rights="tasks.delete_media")
def delete_media(request: HttpRequest, task_id: UUID) -> HttpResponseBase:
    task = _task_of(task_id)
    if request.method != "POST":
        if task.is_active:
            messages.error(request, f"This task is {task.status}: cancel it, or wait until it has ended.")
            return _to(task_id)
        return render(request, "console/task/delete_media.html", {"task": task}, title="Delete this video and its prompt?")
    try:
        if steering.delete_media(task, who=who(request)):
            messages.success(request, "Deleted: links to it open nothing any more, and its files go within minutes.")
        else:
            messages.info(request, "It was deleted before.")
    except ApiError as error:
        messages.error(request, error.message)
    return _to(task_id)


@page("tasks/<uuid:task_id>/retry/", name="task-retry", rights="tasks.retry_task")
def retry(request: HttpRequest, task_id: UUID) -> HttpResponseBase:
    task = _task_of(task_id)
    if request.method == "POST":
        return _retry(request, task)
    if not task.is_retryable:
        messages.error(request, f"This task is {task.status}: {CAN_BE_RETRIED}")
        return _to(task_id)
    context: dict[str, Any] = {"task": task, "form_id": uuid4(), "retries": list(task.retries.order_by("-pk")[:5])}
    try:
        context["quote"] = quote_of_retry(task)
    except ApiError as error:
        context["refusal"] = error.message
    return render(request, "console/task/retry.html", context, title="Retry this task?")


def _retry(request: HttpRequest, task: Task) -> HttpResponseBase:
    try:
        form_id = UUID(request.POST.get("form_id", ""))
    except ValueError:
        messages.error(request, "This form cannot be read. Nothing was done: try it again from here.")
        return HttpResponseRedirect(request.path)
    idempotency = Idempotency.of_form(owner=request.user.pk or 0, place=request.path, form_id=form_id)
    try:
        again = steering.retry(
            task, who=who(request), first=lambda made: idempotency.claiming(_leads_to(made), about=made.pk), seen=_seen(request)
        )
    except AnsweredBefore as before:
        return _made_before(before.kept)
    except ApiError as error:
        if kept := idempotency.kept():
            return _made_before(kept)
        messages.error(request, error.message)
        return _to(task.pk)
    messages.success(request, f"Retried: this is the new task. {usd(again.price)} is held for it.")
    return _to(again.pk)


def _seen(request: HttpRequest) -> UUID:
    """The newest retry that the form told of."""
    return parse_task_id(request.POST.get("seen", "")) or steering.NO_RETRY


def _made_before(kept: KeptAnswer) -> HttpResponseRedirect:
    """To the task that this form already made."""
    answer: Any = kept.answer
    return HttpResponseRedirect(answer["headers"]["Location"])


def _leads_to(task: Task) -> dict[str, Any]:
    return answer_of(303, {}, {"Location": task_address(task.pk)})


def _task_of(task_id: UUID) -> Task:
    task = Task.objects.for_operators().filter(pk=task_id).first()
    if task is None:
        raise Http404
    return task


def _to(task_id: UUID) -> HttpResponseRedirect:
    return HttpResponseRedirect(task_address(task_id))
