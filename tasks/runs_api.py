"""The management API of what is done to many tasks at once."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from conduit.api.errors import InvalidRequest
from conduit.api.fields import NamedField, StrictSerializer, TextField
from conduit.api.formats import money, rfc3339
from conduit.api.idempotency import Idempotency, idempotent
from keys.management_api import ManagementView, found, listed, once
from keys.models import Scope, VirtualKey
from tasks import runs
from tasks.ids import parse_task_id
from tasks.run_models import Action, Run, RunOutcome


class TaskIdsField(NamedField):
    """Ids of tasks, each as a string."""

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "minItems": 1, "maxItems": runs.CHOSEN_MAX, "items": {"type": "string", "format": "uuid"}}

    def to_internal_value(self, data: Any) -> list[UUID]:
        ids = [parse_task_id(one) if isinstance(one, str) else None for one in data] if isinstance(data, list) else []
        known = [one for one in ids if one]
        if not ids or len(known) != len(ids):
            raise serializers.ValidationError("`task_ids` must be a list of the ids of tasks.")
        return known


class NewRun(StrictSerializer):
    q = TextField(required=False)
    task_ids = TaskIdsField(required=False)

    def read(self) -> dict[str, Any]:
        """What tasks.runs.begin takes of it; raises what the error handler knows."""
        self.is_valid(raise_exception=True)
        fields = self.validated_data
        if len(fields) != 1:
            raise InvalidRequest("Give either `q`, a search of tasks, or `task_ids`.", param="q")
        return {"search_text": fields.get("q", ""), "chosen": fields.get("task_ids")}


class RunView(ManagementView):
    scopes: Mapping[str, Scope] = {"GET": Scope.READ, "HEAD": Scope.READ, "POST": Scope.OPERATE}


class BeginView(RunView):
    """`POST /v1/admin/tasks/cancel`, `…/retry`."""

    action = Action.CANCEL

    @idempotent
    def post(self, request: Request, idempotency: Idempotency | None) -> Response:
        fields = NewRun(data=request.data).read()
        with once(idempotency):
            run = runs.begin(self.action, who=self.who, **fields)
            body, headers = show(run), {"Location": f"/v1/admin/runs/{run.pk}"}
            if idempotency:
                idempotency.store(202, body, headers)
            return Response(body, status=202, headers=headers)


class KeyMediaView(ManagementView):
    """`DELETE /v1/admin/keys/{id}/media`: what all tasks of the key made that have ended by now, and what was asked for."""

    scopes = {"DELETE": Scope.KEYS}

    def delete(self, request: Request, key_id: str) -> Response:
        key = found(VirtualKey.objects.all(), key_id, "key_id")
        run = runs.begin(Action.DELETE, who=self.who, search_text=f"key:#{key.pk}")
        return Response(show(run), status=202, headers={"Location": f"/v1/admin/runs/{run.pk}"})


class RunsView(RunView):
    parameters = ("limit", "after")

    def get(self, request: Request) -> Response:
        return Response(listed(Run.objects.all(), request, lambda rows: [show(run) for run in rows]))


class OneRunView(RunView):
    def get(self, request: Request, run_id: str) -> Response:
        return Response(show(found(Run.objects.all(), run_id, "run_id")))


class OutcomesView(RunView):
    parameters = ("limit", "after")

    def get(self, request: Request, run_id: str) -> Response:
        outcomes = RunOutcome.objects.filter(run=found(Run.objects.all(), run_id, "run_id"))
        return Response(listed(outcomes, request, lambda rows: [show_outcome(one) for one in rows]))


class StopView(RunView):
    def post(self, request: Request, run_id: str) -> Response:
        runs.stop(found(Run.objects.all(), run_id, "run_id"), who=self.who)
        return Response(show(found(Run.objects.all(), run_id, "run_id")))


def show(run: Run) -> dict[str, Any]:
    return {
        "id": run.pk,
        "object": "run",
        "action": run.action,
        "q": None if run.task_ids is not None else run.search,
        "task_ids": run.task_ids,
        "state": run.state,
        "expected": {"tasks": run.expected, "usd": money(run.expected_usd), "at_least": run.is_least},
        "done": run.done,
        "unchanged": run.unchanged,
        "refused": run.refused,
        "created_at": rfc3339(run.created_at),
        "created_by": run.created_by,
        "ended_at": rfc3339(run.ended_at),
        "stopped_by": run.stopped_by or None,
        "stopped_why": run.stopped_why or None,
    }


def show_outcome(outcome: RunOutcome) -> dict[str, Any]:
    return {
        "id": outcome.pk,
        "object": "run_outcome",
        "task_id": str(outcome.task_id),
        "outcome": outcome.outcome,
        "detail": outcome.detail or None,
        "retried_as": str(outcome.retried_as) if outcome.retried_as else None,
        "created_at": rfc3339(outcome.created_at),
    }
