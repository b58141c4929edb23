"""The management API: keys, teams and usage, for programs with a management key."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from conduit.api.errors import InvalidRequest, NotFound
from conduit.api.idempotency import Idempotency, idempotent
from conduit.api.models import OwnerKind
from conduit.api.network import client_address
from conduit.api.pagination import check_parameters, page, parse_limit, parse_row_id
from conduit.api.views import ApiView
from keys import budget_owners, limits, services, usage
from keys.authentication import counted_once, secret_of
from keys.management_authentication import ManagementKeyAuthentication
from keys.models import ManagementKey, Scope, Team, UsageCost, VirtualKey
from keys.presentation import show_keys, show_management_key, show_teams
from keys.requests import grace_of, key_fields, team_fields
from keys.scopes import require, require_for_fields
from keys.views import USAGE_PARAMETERS, usage_answer

_KEYS = VirtualKey.objects.prefetch_related("secrets", "budgets")
_TEAMS = Team.objects.prefetch_related("budgets")
_SHOWN_ONCE = "The secret was in the first answer to this call, and is stored nowhere. If that was lost, rotate the key to get a new one."

Row = TypeVar("Row", bound=Model)


class ManagementView(ApiView):
    authentication_classes = [ManagementKeyAuthentication]
    owner_kind = OwnerKind.MANAGEMENT_KEY

    # What the query string of a read may hold; no other call takes one.
    parameters: tuple[str, ...] = ()
    # Which of them may be there more than once.
    repeated: tuple[str, ...] = ()
    # What each method takes of a key. What a PATCH takes depends on its body (scopes.require_for_fields).
    scopes: Mapping[str, Scope] = {"GET": Scope.READ, "HEAD": Scope.READ, "POST": Scope.KEYS, "DELETE": Scope.KEYS}

    @property
    def key(self) -> ManagementKey:
        return cast(ManagementKey, self.request.auth)

    @property
    def who(self) -> str:
        """How the audit names the caller."""
        return str(self.key)

    def check_throttles(self, request: Request) -> None:
        """REST framework's name for: count the call."""
        address = client_address(request._request)
        if rate := counted_once(request._request, lambda: limits.count_management_call(self.key, address=address)):
            self.said |= rate.headers

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if scope := self.scopes.get(str(request.method)):
            require(self.key, scope)
        reads = request.method in ("GET", "HEAD")
        check_parameters(request.query_params, self.parameters if reads else (), repeated=self.repeated)


class KeysView(ManagementView):
    parameters = ("team", "limit", "after")

    def get(self, request: Request) -> Response:
        keys = _KEYS.filter(deleted_at=None)
        if "team" in request.query_params:
            keys = keys.filter(team=chosen(Team.objects.all(), request, "team"))
        return Response(listed(keys, request, show_keys))

    @idempotent
    def post(self, request: Request, idempotency: Idempotency | None) -> Response:
        fields = key_fields(request.data)
        require_for_fields(self.key, fields)
        with once(idempotency):
            key, secret = services.create_key(**fields, who=self.who)
            headers = {"Location": f"/v1/admin/keys/{key.pk}"}
            return _with_secret(_shown_key(key.pk), secret, 201, headers, idempotency)


class KeyView(ManagementView):
    def get(self, request: Request, key_id: str) -> Response:
        return Response(_shown_key(found(VirtualKey.objects.all(), key_id, "key_id").pk))

    def patch(self, request: Request, key_id: str) -> Response:
        key = found(VirtualKey.objects.all(), key_id, "key_id")
        fields = key_fields(request.data, partial=True)
        require_for_fields(self.key, fields)
        with transaction.atomic():
            wanted = fields.pop("budgets", None)
            services.change_key(key, who=self.who, **fields)
            if wanted is not None:
                budget_owners.set_budgets(key, wanted, who=self.who)
        return Response(_shown_key(key.pk))

    def delete(self, request: Request, key_id: str) -> Response:
        key = found(VirtualKey.objects.all(), key_id, "key_id")
        services.delete_key(key, who=self.who)
        return Response(_shown_key(key.pk))


class RotateView(ManagementView):
    @idempotent
    def post(self, request: Request, key_id: str, idempotency: Idempotency | None) -> Response:
        key = found(VirtualKey.objects.all(), key_id, "key_id")
        grace = grace_of(request.data)
        with once(idempotency):
            secret = services.rotate_key(key, who=self.who, grace=grace)
            return _with_secret(_shown_key(key.pk), secret, 200, {}, idempotency)


class OwnKeyView(ManagementView):
    """What any management key may ask about itself."""

    scopes: Mapping[str, Scope] = {}

    def get(self, request: Request) -> Response:
        return Response(show_management_key(self.key))


class OwnRotateView(ManagementView):
    """Its new secret, for the holder of the newest: what the key may do is the same."""

    scopes: Mapping[str, Scope] = {}

    @idempotent
    def post(self, request: Request, idempotency: Idempotency | None) -> Response:
        grace = grace_of(request.data)
        with once(idempotency):
            secret = services.rotate_management_key(self.key, who=self.who, grace=grace, by_secret=secret_of(request))
            return _with_secret(show_management_key(self.key), secret, 200, {}, idempotency)


class TeamsView(ManagementView):
    parameters = ("limit", "after")

    def get(self, request: Request) -> Response:
        return Response(listed(_TEAMS, request, show_teams))

    @idempotent
    def post(self, request: Request, idempotency: Idempotency | None) -> Response:
        fields = team_fields(request.data)
        require_for_fields(self.key, fields)
        with once(idempotency):
            team = budget_owners.create_team(**fields, who=self.who)
            body, headers = _shown_team(team.pk), {"Location": f"/v1/admin/teams/{team.pk}"}
            if idempotency:
                idempotency.store(201, body, headers)
            return Response(body, status=201, headers=headers)


class TeamView(ManagementView):
    def get(self, request: Request, team_id: str) -> Response:
        return Response(_shown_team(found(Team.objects.all(), team_id, "team_id").pk))

    def patch(self, request: Request, team_id: str) -> Response:
        team = found(Team.objects.all(), team_id, "team_id")
        fields = team_fields(request.data, partial=True)
        require_for_fields(self.key, fields)
        with transaction.atomic():
            wanted = fields.pop("budgets", None)
            budget_owners.change_team(team, who=self.who, **fields)
            if wanted is not None:
                budget_owners.set_budgets(team, wanted, who=self.who)
        return Response(_shown_team(team.pk))

    def delete(self, request: Request, team_id: str) -> Response:
        team = found(Team.objects.all(), team_id, "team_id")
        answer = {"id": team.pk, "object": "team", "deleted": True}
        budget_owners.delete_team(team, who=self.who)
        return Response(answer)


class UsageView(ManagementView):
    parameters = (*USAGE_PARAMETERS, "key", "team")

    def get(self, request: Request) -> HttpResponse:
        costs = UsageCost.objects.all()
        if "key" in request.query_params:
            costs = costs.filter(key=chosen(VirtualKey.objects.all(), request, "key"))
        if "team" in request.query_params:
            costs = costs.filter(team_id=chosen(Team.objects.all(), request, "team").pk)
        return usage_answer(request, costs, tuple(usage.GROUPS))


@contextmanager
def once(idempotency: Idempotency | None) -> Iterator[None]:
    """One transaction for what a call does and, with an Idempotency-Key, for its claim and its answer."""
    with transaction.atomic():
        if idempotency:
            idempotency.claim()
        yield


def _with_secret(body: dict[str, Any], secret: str, status: int, headers: dict[str, str], idempotency: Idempotency | None) -> Response:
    """The answer that shows a new secret. It is never stored, so that a replay, which is kept, can only say where it was."""
    first = body | {"secret": secret}
    if idempotency:
        idempotency.store(status, body | {"secret": None, "secret_note": _SHOWN_ONCE}, headers, first=first)
    return Response(first, status=status, headers=headers)


def _shown_key(pk: int) -> dict[str, Any]:
    """The key as it now stands in the database."""
    return show_keys([_KEYS.get(pk=pk)])[0]


def _shown_team(pk: int) -> dict[str, Any]:
    return show_teams([_TEAMS.get(pk=pk)])[0]


def listed(rows: QuerySet[Any], request: Request, show: Any) -> dict[str, Any]:
    """Newest first, after the row that `after` names."""
    limit = parse_limit(request.query_params)
    rows = rows.order_by("-id")
    if "after" in request.query_params:
        rows = rows.filter(pk__lt=chosen(rows.model._default_manager.all(), request, "after").pk)
    return page(show(list(rows[: limit + 1])), limit, dict, id_field="id")


def chosen(rows: QuerySet[Row], request: Request, name: str) -> Row:
    """The row that a query parameter names."""
    row = _by_id(rows, request.query_params[name])
    if row is None:
        raise InvalidRequest(f"`{name}` must be the id of a {_noun(rows)}.", param=name)
    return row


def found(rows: QuerySet[Row], text: str, name: str) -> Row:
    """The row that the path names."""
    row = _by_id(rows, text)
    if row is None:
        raise NotFound(f"There is no {_noun(rows)} of that id.", param=name)
    return row


def _by_id(rows: QuerySet[Row], text: str) -> Row | None:
    number = parse_row_id(text)
    return None if number is None else rows.filter(pk=number).first()


def _noun(rows: QuerySet[Any]) -> str:
    return str(rows.model._meta.verbose_name).removeprefix("virtual ")
