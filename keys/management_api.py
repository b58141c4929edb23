"""The management API: keys, teams and usage, for programs with a management key."""

from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conduit.api.errors import InvalidRequest, NotFound
from conduit.api.pagination import page, parse_limit
from keys import owners, services, usage
from keys.management_authentication import ManagementKeyAuthentication
from keys.models import Team, UsageCost, VirtualKey
from keys.presentation import show_keys, show_teams
from keys.requests import grace_of, key_fields, team_fields
from keys.views import usage_answer

_KEYS = VirtualKey.objects.prefetch_related("secrets", "budgets")
_TEAMS = Team.objects.prefetch_related("budgets")
# What is shown once must not stay in a cache on the way.
_NOT_KEPT = {"Cache-Control": "no-store"}


Row = TypeVar("Row", bound=Model)


class ManagementView(APIView):
    authentication_classes = [ManagementKeyAuthentication]

    @property
    def who(self) -> str:
        """How the audit names the caller."""
        return str(self.request.auth)


class KeysView(ManagementView):
    def get(self, request: Request) -> Response:
        keys = _KEYS.filter(deleted_at=None)
        if "team" in request.query_params:
            keys = keys.filter(team=_chosen(Team.objects.all(), request, "team"))
        return Response(_page(keys, request, show_keys))

    def post(self, request: Request) -> Response:
        key, secret = services.create_key(**key_fields(request.data), who=self.who)
        headers = _NOT_KEPT | {"Location": f"/v1/admin/keys/{key.pk}"}
        return Response(_shown_key(key.pk) | {"secret": secret}, status=201, headers=headers)


class KeyView(ManagementView):
    def get(self, request: Request, key_id: str) -> Response:
        return Response(_shown_key(_found(VirtualKey.objects.all(), key_id, "key_id").pk))

    def patch(self, request: Request, key_id: str) -> Response:
        key = _found(VirtualKey.objects.all(), key_id, "key_id")
        fields = key_fields(request.data, partial=True)
        with transaction.atomic():
            wanted = fields.pop("budgets", None)
            services.change_key(key, who=self.who, **fields)
            if wanted is not None:
                owners.set_budgets(key, wanted, who=self.who)
        return Response(_shown_key(key.pk))

    def delete(self, request: Request, key_id: str) -> Response:
        key = _found(VirtualKey.objects.all(), key_id, "key_id")
        services.delete_key(key, who=self.who)
        return Response(_shown_key(key.pk))


class RotateView(ManagementView):
    def post(self, request: Request, key_id: str) -> Response:
        key = _found(VirtualKey.objects.all(), key_id, "key_id")
        secret = services.rotate_key(key, who=self.who, grace=grace_of(request.data))
        return Response(_shown_key(key.pk) | {"secret": secret}, headers=_NOT_KEPT)


class TeamsView(ManagementView):
    def get(self, request: Request) -> Response:
        return Response(_page(_TEAMS, request, show_teams))

    def post(self, request: Request) -> Response:
        team = owners.create_team(**team_fields(request.data), who=self.who)
        return Response(_shown_team(team.pk), status=201, headers={"Location": f"/v1/admin/teams/{team.pk}"})


class TeamView(ManagementView):
    def get(self, request: Request, team_id: str) -> Response:
        return Response(_shown_team(_found(Team.objects.all(), team_id, "team_id").pk))

    def patch(self, request: Request, team_id: str) -> Response:
        team = _found(Team.objects.all(), team_id, "team_id")
        fields = team_fields(request.data, partial=True)
        with transaction.atomic():
            if "name" in fields:
                owners.rename_team(team, name=fields["name"], who=self.who)
            if "budgets" in fields:
                owners.set_budgets(team, fields["budgets"], who=self.who)
        return Response(_shown_team(team.pk))

    def delete(self, request: Request, team_id: str) -> Response:
        team = _found(Team.objects.all(), team_id, "team_id")
        answer = {"id": team.pk, "object": "team", "deleted": True}
        owners.delete_team(team, who=self.who)
        return Response(answer)


class UsageView(ManagementView):
    def get(self, request: Request) -> HttpResponse:
        costs = UsageCost.objects.all()
        if "key" in request.query_params:
            costs = costs.filter(key=_chosen(VirtualKey.objects.all(), request, "key"))
        if "team" in request.query_params:
            costs = costs.filter(key__team=_chosen(Team.objects.all(), request, "team"))
        return usage_answer(request, costs, tuple(usage.GROUPS))


def _shown_key(pk: int) -> dict[str, Any]:
    """The key as it now stands in the database."""
    return show_keys([_KEYS.get(pk=pk)])[0]


def _shown_team(pk: int) -> dict[str, Any]:
    return show_teams([_TEAMS.get(pk=pk)])[0]


def _page(rows: QuerySet[Any], request: Request, show: Any) -> dict[str, Any]:
    """Newest first, after the row that `after` names."""
    limit = parse_limit(request.query_params)
    rows = rows.order_by("-id")
    if "after" in request.query_params:
        rows = rows.filter(pk__lt=_chosen(rows.model._default_manager.all(), request, "after").pk)
    return page(show(list(rows[: limit + 1])), limit, dict, id_field="id")


def _chosen(rows: QuerySet[Row], request: Request, name: str) -> Row:
    """The row that a query parameter names."""
    row = _by_id(rows, request.query_params[name])
    if row is None:
        raise InvalidRequest(f"`{name}` must be the id of a {_noun(rows)}.", param=name)
    return row


def _found(rows: QuerySet[Row], text: str, name: str) -> Row:
    """The row that the path names."""
    row = _by_id(rows, text)
    if row is None:
        raise NotFound(f"There is no {_noun(rows)} of that id.", param=name)
    return row


def _by_id(rows: QuerySet[Row], text: str) -> Row | None:
    return rows.filter(pk=int(text)).first() if text.isascii() and text.isdigit() and len(text) < 19 else None


def _noun(rows: QuerySet[Any]) -> str:
    return str(rows.model._meta.verbose_name).removeprefix("virtual ")
