"""Reading, listing and cancelling tasks of any kind."""

from contextlib import suppress
from typing import ClassVar

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from conduit import clock
from conduit.api.pagination import parse_limit
from conduit.api.views import tagged
from keys.client_tokens import Right, check_made
from keys.keyed_view import KeyedView
from keys.models import VirtualKey
from tasks import lifecycle
from tasks.ids import parse_task_id
from tasks.listing import list_of
from tasks.models import Task
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


def own_task_of(key: VirtualKey, task_id: str) -> Task:
    """The same of a task with which the caller may do something: a client token only with what it made.

    Raises:
        NotFound: there is none.
        Forbidden: the token did not make it.
    """
    task = task_of(key, task_id)
    check_made(key, task.pk)
    return task


def cancelled(key: VirtualKey, task_id: str) -> Response:
    """Cancel the caller's task and answer it as it is now."""
    lifecycle.cancel(own_task_of(key, task_id))
    return Response(show(task_of(key, task_id), clock.now()))


class TaskView(KeyedView):
    instead = {"DELETE": "A task is cancelled with POST /v1/tasks/{id}/cancel."}
    token_may = {"GET": Right.READ}

    def get(self, request: Request, task_id: str) -> HttpResponse:
        return tagged(request, show(task_of(self.key, task_id), clock.now()))


class CancelView(KeyedView):
    instead = {"GET": "A task is read with GET /v1/tasks/{id}."}
    token_may = {"POST": Right.CREATE}

    def post(self, request: Request, task_id: str) -> Response:
        return cancelled(self.key, task_id)


class TaskListView(KeyedView):
    kind: ClassVar[str | None] = None  # of whose tasks alone it is
    instead = {"POST": "Each kind of task is made at its own path: videos with POST /v1/video/generations."}
    token_may = {"GET": Right.READ_KEY}

    def get(self, request: Request) -> Response:
        query = request._request.GET
        return Response(list_of(self.key, query, limit=parse_limit(query), now=clock.now(), kind=self.kind))
