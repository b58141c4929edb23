"""The management API's tasks: everybody's, for programs with a management key."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from conduit import clock
from conduit.api.errors import InvalidRequest, NotFound
from conduit.api.idempotency import Idempotency, answer_of, idempotent
from conduit.api.pagination import page, parse_limit, parse_moment
from conduit.api.views import tagged
from keys.management_api import ManagementView, chosen
from keys.models import Scope, Team, VirtualKey
from tasks import kinds, steering
from tasks.ids import parse_task_id
from tasks.listing import parse_statuses
from tasks.models import Task
from tasks.presentation import show_to_operators
from tasks.requests import RetryRequest
from tasks.search import Wanted, search
from tasks.search_meaning import meaning_of


class TaskManagementView(ManagementView):
    scopes: Mapping[str, Scope] = {"GET": Scope.READ, "HEAD": Scope.READ, "POST": Scope.OPERATE}


class TasksView(TaskManagementView):
    parameters = (
        "key", "team", "model", "status", "stage", "error", "created_after", "created_before", "provider", "q", "limit",
        "after",
    )  # fmt: skip
    repeated = ("status",)

    def get(self, request: Request) -> Response:
        """A page may hold fewer tasks than `limit`, even none, and still lead on (tasks.search)."""
        query = request.query_params
        limit = parse_limit(query)
        found = search(_wanted(request), after=_after(query), limit=limit)
        now = clock.now()
        tasks = Task.objects.for_operators().filter(pk__in=found.task_ids).order_by("-pk")
        listed = page(tasks, limit, lambda task: show_to_operators(task, now), id_field="task_id")
        leads_on = {"has_more": True, "last_id": str(found.next_after)} if found.next_after else {}
        return Response(listed | leads_on)


class TaskView(TaskManagementView):
    def get(self, request: Request, task_id: str) -> HttpResponse:
        task = _task_of(task_id)
        return tagged(request, _shown(task) | kinds.kind_of(task).details_for_operators(task))


class CancelView(TaskManagementView):
    def post(self, request: Request, task_id: str) -> Response:
        steering.cancel(_task_of(task_id), who=self.who)
        return Response(_shown(_task_of(task_id)))


class MediaView(TaskManagementView):
    scopes = {"DELETE": Scope.KEYS}

    def delete(self, request: Request, task_id: str) -> Response:
        steering.delete_media(_task_of(task_id), who=self.who)
        return Response(_shown(_task_of(task_id)))


class RetryView(TaskManagementView):
    @idempotent
    def post(self, request: Request, task_id: str, idempotency: Idempotency | None) -> Response:
        task, own = _task_of(task_id), RetryRequest.parse(request.data)
        again = steering.retry(
            task, who=self.who, first=(lambda made: idempotency.claiming(_accepted(made), about=made.pk)) if idempotency else None, own=own
        )
        return Response(_shown(again), status=202, headers=_location(again))


def _task_of(task_id: str) -> Task:
    parsed = parse_task_id(task_id)
    task = Task.objects.for_operators().filter(pk=parsed).first() if parsed else None
    if task is None:
        raise NotFound("There is no task of that id.", code="task_not_found", param="task_id")
    return task


def _shown(task: Task) -> dict[str, Any]:
    return show_to_operators(task, clock.now())


def _accepted(task: Task) -> dict[str, Any]:
    return answer_of(202, _shown(task), _location(task))


def _location(task: Task) -> dict[str, str]:
    return {"Location": f"/v1/admin/tasks/{task.pk}"}


def _wanted(request: Request) -> Wanted:
    query = request.query_params
    provider_id = _text(query, "provider")
    named = Wanted(
        key_id=frozenset({chosen(VirtualKey.objects.all(), request, "key").pk}) if "key" in query else None,
        team_id=frozenset({chosen(Team.objects.all(), request, "team").pk}) if "team" in query else None,
        model=_only(_text(query, "model")),
        status=parse_statuses(query),
        stage=_only(_text(query, "stage")),
        error_code=_only(_text(query, "error")),
        created_after=parse_moment(query, "created_after"),
        created_before=parse_moment(query, "created_before"),
        task_ids=None if provider_id is None else frozenset(kinds.with_provider_id(provider_id)),
    )
    return named & meaning_of(query["q"], clock.now()).wanted if "q" in query else named


def _only(text: str | None) -> frozenset[str] | None:
    return None if text is None else frozenset({text})


def _text(query: Mapping[str, str], name: str) -> str | None:
    """A filter that compares text, None without it."""
    if name not in query:
        return None
    text = query[name]
    if not text or "\0" in text:
        raise InvalidRequest(f"`{name}` must not be empty or hold a NUL character.", param=name)
    return text


def _after(query: Mapping[str, str]) -> UUID | None:
    if "after" not in query:
        return None
    after = parse_task_id(query["after"])
    if after is None or not Task.objects.filter(pk=after).exists():
        raise InvalidRequest("`after` must be the id of a task.", param="after")
    return after
