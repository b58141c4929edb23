"""The management API of accounts at MiniMax."""

from collections.abc import Sequence
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from conduit import clock
from conduit.api.fields import AmountField, NamedField, OneOfField, StrictSerializer, TextField, WholeField
from conduit.api.formats import money, rfc3339
from conduit.api.idempotency import Idempotency, idempotent
from keys.limits.fields import OptionalTextsField, TextsField
from keys.management_api import ManagementView, found, listed, once
from keys.models import Scope
from keys.requests import NameField
from videos.account_models import WEIGHT_MOST, AccountKind, AccountState, ProviderAccount
from videos.accounts import asking, rules
from videos.accounts.figures import figures_of

_COUNT_MAX = 2**31 - 1


class _KeyField(NamedField):
    """The account's key at MiniMax. It is taken, and never given back."""

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "maxLength": rules.KEY_CHARACTERS, "pattern": "^[!-~]+$"}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or not data.strip():
            raise self.refuse("must be a string that is not blank")
        return data.strip()


class AccountChange(StrictSerializer):
    name = NameField(required=False)
    base_url = TextField(required=False)
    key = _KeyField(required=False)
    state = OneOfField(AccountState.values, required=False)
    models = OptionalTextsField(required=False, allow_null=True, source="model_names")
    inputs = TextsField(required=False, source="input_roles")
    weight = WholeField(least=1, most=WEIGHT_MOST, required=False)
    creates_per_minute = WholeField(least=1, most=_COUNT_MAX, required=False, allow_null=True)
    jobs_in_flight = WholeField(least=1, most=_COUNT_MAX, required=False, allow_null=True)
    monthly_limit = AmountField(required=False, allow_null=True)

    def read(self) -> dict[str, Any]:
        """The fields that are named; raises what the error handler knows."""
        self.is_valid(raise_exception=True)
        return dict(self.validated_data)


class NewAccount(AccountChange):
    name = NameField()
    kind = OneOfField(AccountKind.values)
    base_url = TextField()
    key = _KeyField()


class AccountsView(ManagementView):
    parameters = ("limit", "after")
    scopes = {"GET": Scope.READ, "HEAD": Scope.READ, "POST": Scope.OPERATE}

    def get(self, request: Request) -> Response:
        return Response(listed(ProviderAccount.objects.all(), request, show_accounts))

    @idempotent
    def post(self, request: Request, idempotency: Idempotency | None) -> Response:
        fields = NewAccount(data=request.data).read()
        with once(idempotency):
            account = rules.create(who=self.who, **fields)
            body, headers = _shown(account.pk), {"Location": f"/v1/admin/accounts/{account.pk}"}
            if idempotency:
                idempotency.store(201, body, headers)
            return Response(body, status=201, headers=headers)


class AccountView(ManagementView):
    scopes = {"GET": Scope.READ, "HEAD": Scope.READ, "PATCH": Scope.OPERATE, "DELETE": Scope.OPERATE}

    def get(self, request: Request, account_id: str) -> Response:
        return Response(_shown(_found(account_id).pk))

    def patch(self, request: Request, account_id: str) -> Response:
        account = _found(account_id)
        rules.change(account, who=self.who, **AccountChange(data=request.data).read())
        return Response(_shown(account.pk))

    def delete(self, request: Request, account_id: str) -> Response:
        account = _found(account_id)
        answer = {"id": account.pk, "object": "account", "deleted": True}
        rules.delete(account, who=self.who)
        return Response(answer)


class AccountTestView(ManagementView):
    scopes = {"POST": Scope.OPERATE}

    def post(self, request: Request, account_id: str) -> Response:
        tested = rules.test(_found(account_id), who=self.who)
        return Response({"object": "account_test", "ok": tested.fine, "message": tested.words, "milliseconds": tested.milliseconds})


def _found(account_id: str) -> ProviderAccount:
    return found(ProviderAccount.objects.all(), account_id, "account_id")


def _shown(pk: int) -> dict[str, Any]:
    """As it stands in the database by now."""
    return show_accounts([ProviderAccount.objects.get(pk=pk)])[0]


def show_accounts(accounts: Sequence[ProviderAccount]) -> list[dict[str, Any]]:
    figures, now = figures_of(accounts), clock.now()
    return [
        {
            "id": account.pk,
            "object": "account",
            "name": account.name,
            "kind": account.kind,
            "base_url": account.address,
            "from_environment": account.from_environment,
            "has_key": bool(account.key),
            "key_set_at": rfc3339(account.key_set_at),
            "state": account.state,
            "models": account.model_names,
            "inputs": account.input_roles,
            "weight": account.weight,
            "creates_per_minute": account.creates_per_minute,
            "jobs_in_flight": account.jobs_in_flight,
            "monthly_limit": None if account.monthly_limit is None else money(account.monthly_limit),
            "health": {
                "set_aside_for": account.cause or None,
                "since": rfc3339(account.since),
                "provider_code": account.code,
                "message": account.said or None,
                "next_try_at": rfc3339(account.tries_at),
                "models_not_in_plan": sorted(account.refused_models),
                "seconds_between_questions": round(asking.pause(account, now).total_seconds(), 1),
                "creates_per_minute": None if (pace := figures[account.pk].pace) is None else round(pace, 2),
            },
            "in_flight": figures[account.pk].in_flight,
            "spent_this_month": money(figures[account.pk].spent),
            "created_at": rfc3339(account.created_at),
        }
        for account in accounts
    ]
