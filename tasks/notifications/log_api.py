"""The log of webhooks, and sending them again: of a key's endpoints and tasks, and for those who run the place of all."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from conduit.api.errors import InvalidRequest, NotFound
from conduit.api.fields import MomentField, OneOfField, StrictSerializer
from conduit.api.pagination import check_parameters, page, parse_limit, parse_row_id
from keys.keyed_view import KeyedView
from keys.management_api import ManagementView
from tasks.notifications import api, log
from tasks.notifications.models import Delivery, Endpoint, State, TaskTarget

PARAMETERS = ("status", "limit", "after")


class AgainFields(StrictSerializer):
    status = OneOfField([State.DELIVERED, State.FAILED], required=False)
    created_after = MomentField(required=False)
    created_before = MomentField(required=False)


def listed(deliveries: QuerySet[Delivery], request: Request) -> Response:
    """Newest first, with their tries and how many there are of each state."""
    query, limit = request.query_params, parse_limit(request.query_params)
    rows = deliveries.select_related("message").prefetch_related("tries").order_by("-pk")
    if "status" in query:
        if query["status"] not in State.values:
            raise InvalidRequest(f"`status` must be one of {', '.join(State.values)}.", param="status")
        rows = rows.filter(state=query["status"])
    if "after" in query:
        after = _row(deliveries, query["after"])
        if after is None:
            raise InvalidRequest("`after` must be the id of a delivery.", param="after")
        rows = rows.filter(pk__lt=after.pk)
    return Response({**page(rows[: limit + 1], limit, log.shown, id_field="id"), "counts": log.counts(deliveries)})


def sent_again(deliveries: QuerySet[Delivery], of: Endpoint | str, data: Any, who: str) -> Response:
    found = AgainFields().run_validation(data)
    chosen = log.chosen(deliveries, status=found.get("status", ""), after=found.get("created_after"), before=found.get("created_before"))
    count = log.redeliver(chosen, of=of, who=who)
    return Response({"object": "webhook_redelivery", "deliveries": count, "has_more": count == log.REDELIVERED_MOST})


def one_sent_again(deliveries: QuerySet[Delivery], of: Endpoint | str, delivery_id: str, who: str) -> Response:
    delivery = _row(deliveries, delivery_id)
    if delivery is None:
        raise NotFound("There is no delivery of that id.", param="delivery_id")
    log.redeliver(Delivery.objects.filter(pk=delivery.pk), of=of, who=who)
    return Response(log.shown(Delivery.objects.select_related("message").prefetch_related("tries").get(pk=delivery.pk)))


def _row(deliveries: QuerySet[Delivery], text: str) -> Delivery | None:
    number = parse_row_id(text)
    return None if number is None else deliveries.filter(pk=number).first()


# ---- A key's own ------------------------------------------------------------------------------------------------------


class _OfEndpoint(KeyedView):
    def endpoint(self, endpoint_id: str) -> Endpoint:
        return api.found(Endpoint.objects.select_related("key", "team").filter(key=self.key), endpoint_id)


class DeliveriesView(_OfEndpoint):
    def get(self, request: Request, endpoint_id: str) -> Response:
        check_parameters(request.query_params, PARAMETERS)
        return listed(Delivery.objects.filter(endpoint=self.endpoint(endpoint_id)), request)


class RedeliverView(_OfEndpoint):
    def post(self, request: Request, endpoint_id: str) -> Response:
        endpoint = self.endpoint(endpoint_id)
        return sent_again(Delivery.objects.filter(endpoint=endpoint), endpoint, request.data, api.who(self.key))


class RedeliverOneView(_OfEndpoint):
    def post(self, request: Request, endpoint_id: str, delivery_id: str) -> Response:
        endpoint = self.endpoint(endpoint_id)
        return one_sent_again(Delivery.objects.filter(endpoint=endpoint), endpoint, delivery_id, api.who(self.key))


def of_task(targets: QuerySet[TaskTarget], task_id: str) -> QuerySet[Delivery]:
    """What was sent where the call that made the task said."""
    try:
        target = targets.filter(pk=UUID(task_id)).first() if len(task_id) == 36 else None
    except ValueError:
        target = None
    if target is None:
        raise NotFound("There is no task of that id with a `webhook_url` of its own.", code="task_not_found", param="task_id")
    return Delivery.objects.filter(task_id=target.pk, endpoint=None)


class TaskDeliveriesView(KeyedView):
    def get(self, request: Request, task_id: str) -> Response:
        check_parameters(request.query_params, PARAMETERS)
        return listed(of_task(TaskTarget.objects.filter(key=self.key), task_id), request)


class RedeliverTaskView(KeyedView):
    def post(self, request: Request, task_id: str) -> Response:
        return sent_again(of_task(TaskTarget.objects.filter(key=self.key), task_id), f"task:{task_id}", request.data, api.who(self.key))


# ---- For those who run the place --------------------------------------------------------------------------------------


class _Managed(ManagementView):
    scopes = api.SCOPES
    parameters = PARAMETERS


def _any(endpoint_id: str) -> Endpoint:
    return api.found(Endpoint.objects.select_related("key", "team"), endpoint_id)


class ManagedDeliveriesView(_Managed):
    def get(self, request: Request, endpoint_id: str) -> Response:
        return listed(Delivery.objects.filter(endpoint=_any(endpoint_id)), request)


class ManagedRedeliverView(_Managed):
    def post(self, request: Request, endpoint_id: str) -> Response:
        endpoint = _any(endpoint_id)
        return sent_again(Delivery.objects.filter(endpoint=endpoint), endpoint, request.data, self.who)


class ManagedRedeliverOneView(_Managed):
    def post(self, request: Request, endpoint_id: str, delivery_id: str) -> Response:
        endpoint = _any(endpoint_id)
        return one_sent_again(Delivery.objects.filter(endpoint=endpoint), endpoint, delivery_id, self.who)


class ManagedTaskDeliveriesView(_Managed):
    def get(self, request: Request, task_id: str) -> Response:
        return listed(of_task(TaskTarget.objects.all(), task_id), request)


class ManagedRedeliverTaskView(_Managed):
    def post(self, request: Request, task_id: str) -> Response:
        return sent_again(of_task(TaskTarget.objects.all(), task_id), f"task:{task_id}", request.data, self.who)
