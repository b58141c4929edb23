"""The management API of orders whose answer was lost."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from conduit import clock
from conduit.api.errors import InvalidRequest, NotFound
from conduit.api.fields import NamedField, OneOfField, StrictSerializer
from keys.management_api import ManagementView, listed
from keys.models import Scope
from tasks.ids import parse_task_id
from tasks.models import Task
from tasks.presentation import show_to_operators
from videos.lost_orders.deciding import Decision, decide, task_of
from videos.lost_orders.reading import show
from videos.models import Clip


class _IdField(NamedField):
    """MiniMax's id of a job, which comes as a text or a number."""

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "integer"]}

    def to_internal_value(self, data: Any) -> str:
        if isinstance(data, bool) or not isinstance(data, str | int):
            raise self.refuse("must be MiniMax's id of the job")
        return str(data)


class DecisionFields(StrictSerializer):
    outcome = OneOfField(Decision.values)
    provider_task_id = _IdField(required=False)


class LostOrdersView(ManagementView):
    """Those that may have been billed, and those that are being found out; the newest first."""

    parameters = ("limit", "after")
    scopes = {"GET": Scope.READ, "HEAD": Scope.READ}

    def get(self, request: Request) -> Response:
        clips = Clip.objects.lost().select_related("video__task__key", "account")
        return Response(listed(clips, request, lambda rows: [show(clip) for clip in rows]))


class ReconcileView(ManagementView):
    scopes = {"POST": Scope.OPERATE}

    def post(self, request: Request, task_id: str) -> Response:
        fields = DecisionFields(data=request.data)
        fields.is_valid(raise_exception=True)
        wanted = dict(fields.validated_data)
        if (wanted["outcome"] == Decision.JOB) != ("provider_task_id" in wanted):
            raise InvalidRequest("`provider_task_id` belongs to the outcome `job`, and to no other.", param="provider_task_id")
        decide(_found(task_id), wanted["outcome"], provider_task_id=wanted.get("provider_task_id", ""), who=self.who)
        return Response(show_to_operators(_found(task_id), clock.now()))


def _found(task_id: str) -> Task:
    parsed = parse_task_id(task_id)
    task = task_of(parsed) if parsed else None
    if task is None:
        raise NotFound("There is no task of that id.", code="task_not_found", param="task_id")
    return task
