"""Reading, listing and cancelling tasks of any kind."""

from contextlib import suppress
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from conduit import clock
from conduit.api.errors import InvalidRequest
from conduit.api.pagination import end_of_millisecond, page, parse_limit, parse_moment
from conduit.api.views import tagged
from keys.keyed_view import KeyedView
from keys.models import VirtualKey
from tasks import lifecycle
from tasks.ids import first_task_id_at, parse_task_id
from tasks.models import Status, Task
from tasks.presentation import show
from tasks.reading import not_found


def task_of(key: VirtualKey, task_id: str) -> Task:
    """The key's own task of that id.

    Raises:
        NotFound: there is none; another key's is no exception.
    """
    if parsed := parse_task_id(task_id):
        with suppress(Task.DoesNotExist):
            return Task.objects.for_key(key).get(pk=parsed)
    raise not_found()


def cancelled(key: VirtualKey, task_id: str) -> Response:
    """Cancel the key's task and answer it as it is now."""
    lifecycle.cancel(task_of(key, task_id))
    return Response(show(task_of(key, task_id), clock.now()))


class TaskView(KeyedView):
    def get(self, request: Request, task_id: str) -> HttpResponse:
        return tagged(request, show(task_of(self.key, task_id), clock.now()))


class CancelView(KeyedView):
    def post(self, request: Request, task_id: str) -> Response:
        return cancelled(self.key, task_id)


class TaskListView(KeyedView):
    def get(self, request: Request) -> Response:
        limit = parse_limit(request.query_params)
        now = clock.now()
        rows = _listed(self.key, request.query_params)[: limit + 1]
        return Response(page(rows, limit, lambda task: show(task, now), id_field="task_id"))


def _listed(key: VirtualKey, query: Any) -> QuerySet[Task]:
    tasks = Task.objects.for_key(key).order_by("-id")
    if "status" in query:
        if query["status"] not in Status.values:
            raise InvalidRequest(f"`status` must be one of {', '.join(Status.values)}.", param="status")
        tasks = tasks.filter(status=query["status"])
    if "model" in query:
        if "\0" in query["model"]:
            raise InvalidRequest("`model` holds a NUL character.", param="model")
        tasks = tasks.filter(model=query["model"])
    if created_after := parse_moment(query, "created_after"):
        # The id, which begins with that time, lets the database skip what is older.
        tasks = tasks.filter(created_at__gt=end_of_millisecond(created_after), pk__gte=first_task_id_at(created_after))
    if "after" in query:
        after = parse_task_id(query["after"])
        if after is None or not Task.objects.for_key(key).filter(pk=after).exists():
            raise InvalidRequest("`after` must be the id of one of this key's tasks.", param="after")
        tasks = tasks.filter(pk__lt=after)
    return tasks
