"""Webhook endpoints as OpenAI's clients manage them: a key's own, and for those who run the place everybody's."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from conduit.api.errors import InvalidRequest, NotFound
from conduit.api.idempotency import Idempotency, idempotent
from conduit.api.pagination import check_parameters, page, parse_limit
from keys.keyed_view import KeyedView
from keys.management_api import ManagementView, chosen, once
from keys.models import Scope, Team, VirtualKey
from tasks.notifications import endpoints, event_types, fields
from tasks.notifications.models import Endpoint

_SHOWN_ONCE = "The secret was in the first answer to this call, and no later one shows it. If that was lost, rotate it to get a new one."
_ALL = Endpoint.objects.select_related("key", "team")


def found(rows: QuerySet[Endpoint], endpoint_id: str) -> Endpoint:
    endpoint = rows.filter(public_id=endpoint_id[:40]).first() if "\0" not in endpoint_id else None
    if endpoint is None:
        raise NotFound("There is no webhook endpoint of that id.", param="webhook_endpoint_id")
    return endpoint


def listed(rows: QuerySet[Endpoint], request: Request, show: Any) -> Response:
    """Newest first, after the one that `after` names."""
    query, limit = request.query_params, parse_limit(request.query_params)
    if "after" in query:
        after = rows.filter(public_id=query["after"].replace("\0", "")).first()
        if after is None:
            raise InvalidRequest("`after` must be the id of a webhook endpoint.", param="after")
        rows = rows.filter(pk__lt=after.pk)
    return Response(page(rows.order_by("-pk")[: limit + 1], limit, show, id_field="id"))


def with_secret(body: Mapping[str, Any], secret: str, status: int, headers: Mapping[str, str], idempotency: Idempotency | None) -> Response:
    """The answer that shows a new secret. It is not kept in the clear, so that a replay can only say where it was."""
    first = {**body, "signing_secret": secret}
    if idempotency:
        idempotency.store(status, {**body, "signing_secret": None, "secret_note": _SHOWN_ONCE}, headers, first=first)
    return Response(first, status=status, headers=dict(headers))


def who(key: VirtualKey) -> str:
    """How the audit names the holder of a key, who calls with it."""
    return f"key {key.name}"


def tested(endpoint: Endpoint, data: Any, who: str) -> Response:
    type = fields.tested_type(data, is_place=endpoint.is_place)
    status = endpoints.status_of(endpoints.send_test(endpoint, type, who=who))
    body = {"object": "webhook_endpoint.test", "webhook_endpoint_id": endpoint.public_id, "event_type": type}
    return Response({**body, "status_code": status, "success": True})


def deleted(endpoint: Endpoint) -> Response:
    return Response({"id": endpoint.public_id, "object": "webhook_endpoint.deleted", "deleted": True})


# ---- A key's own ------------------------------------------------------------------------------------------------------


class EndpointsView(KeyedView):
    def get(self, request: Request) -> Response:
        check_parameters(request.query_params, ("limit", "after"))
        return listed(_ALL.filter(key=self.key), request, endpoints.shown)

    @idempotent
    def post(self, request: Request, idempotency: Idempotency | None) -> Response:
        wanted = fields.new_endpoint(request.data, is_place=False)
        with once(idempotency):
            made, secret = endpoints.create(key=self.key, who=who(self.key), **wanted)
            headers = {"Location": f"/v1/webhook_endpoints/{made.public_id}"}
            return with_secret(endpoints.shown(made), secret, 200, headers, idempotency)


class EndpointView(KeyedView):
    def get(self, request: Request, endpoint_id: str) -> Response:
        return Response(endpoints.shown(found(_ALL.filter(key=self.key), endpoint_id)))

    def post(self, request: Request, endpoint_id: str) -> Response:
        endpoint = found(_ALL.filter(key=self.key), endpoint_id)
        changes = fields.endpoint_change(request.data, is_place=False)
        return Response(endpoints.shown(endpoints.change(endpoint, who=who(self.key), **changes)))

    def delete(self, request: Request, endpoint_id: str) -> Response:
        endpoint = found(_ALL.filter(key=self.key), endpoint_id)
        endpoints.delete(endpoint, who=who(self.key))
        return deleted(endpoint)


class RotateView(KeyedView):
    @idempotent
    def post(self, request: Request, endpoint_id: str, idempotency: Idempotency | None) -> Response:
        endpoint, keeps_old = found(_ALL.filter(key=self.key), endpoint_id), fields.keeps_old_secret(request.data)
        with once(idempotency):
            now, secret = endpoints.rotate(endpoint, keeps_old=keeps_old, who=who(self.key))
            return with_secret(endpoints.shown(now), secret, 200, {}, idempotency)


class SendTestView(KeyedView):
    def post(self, request: Request, endpoint_id: str) -> Response:
        return tested(found(_ALL.filter(key=self.key), endpoint_id), request.data, who(self.key))


class EventTypesView(KeyedView):
    def get(self, request: Request) -> Response:
        check_parameters(request.query_params, ())
        return Response({"object": "list", "data": event_types.for_owner(is_place=False)})


# ---- For those who run the place --------------------------------------------------------------------------------------

SCOPES = {"GET": Scope.READ, "HEAD": Scope.READ, "POST": Scope.OPERATE, "DELETE": Scope.OPERATE}


def shown_to_managers(endpoint: Endpoint) -> dict[str, Any]:
    return {**endpoints.shown(endpoint), "key": endpoint.key_id, "team": endpoint.team_id}


class ManagedEndpointsView(ManagementView):
    parameters = ("key", "team", "limit", "after")
    scopes = SCOPES

    def get(self, request: Request) -> Response:
        rows = _ALL.all()
        if "key" in request.query_params:
            rows = rows.filter(key=chosen(VirtualKey.objects.all(), request, "key"))
        if "team" in request.query_params:
            rows = rows.filter(team=chosen(Team.objects.all(), request, "team"))
        return listed(rows, request, shown_to_managers)

    @idempotent
    def post(self, request: Request, idempotency: Idempotency | None) -> Response:
        owner, rest = fields.owner_of(request.data)
        wanted = fields.new_endpoint(rest, is_place=not owner)
        with once(idempotency):
            made, secret = endpoints.create(**owner, who=self.who, **wanted)
            headers = {"Location": f"/v1/admin/webhook_endpoints/{made.public_id}"}
            return with_secret(shown_to_managers(made), secret, 200, headers, idempotency)


class ManagedEndpointView(ManagementView):
    scopes = SCOPES

    def get(self, request: Request, endpoint_id: str) -> Response:
        return Response(shown_to_managers(found(_ALL, endpoint_id)))

    def post(self, request: Request, endpoint_id: str) -> Response:
        endpoint = found(_ALL, endpoint_id)
        changes = fields.endpoint_change(request.data, is_place=endpoint.is_place)
        return Response(shown_to_managers(endpoints.change(endpoint, who=self.who, **changes)))

    def delete(self, request: Request, endpoint_id: str) -> Response:
        endpoint = found(_ALL, endpoint_id)
        endpoints.delete(endpoint, who=self.who)
        return deleted(endpoint)


class ManagedRotateView(ManagementView):
    scopes = SCOPES

    @idempotent
    def post(self, request: Request, endpoint_id: str, idempotency: Idempotency | None) -> Response:
        endpoint, keeps_old = found(_ALL, endpoint_id), fields.keeps_old_secret(request.data)
        with once(idempotency):
            now, secret = endpoints.rotate(endpoint, keeps_old=keeps_old, who=self.who)
            return with_secret(shown_to_managers(now), secret, 200, {}, idempotency)


class ManagedSendTestView(ManagementView):
    scopes = SCOPES

    def post(self, request: Request, endpoint_id: str) -> Response:
        return tested(found(_ALL, endpoint_id), request.data, self.who)


class ManagedEventTypesView(ManagementView):
    scopes = SCOPES

    def get(self, request: Request) -> Response:
        return Response({"object": "list", "data": event_types.for_owner(is_place=True)})
