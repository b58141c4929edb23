"""What signs the webhooks of calls that name a `webhook_url`: of the key that asks, and of any for those who run the place."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from conduit.api.errors import Conflict
from conduit.api.idempotency import Idempotency, idempotent
from conduit.api.pagination import check_parameters
from keys.keyed_view import KeyedView
from keys.management_api import ManagementView, found, once
from keys.models import VirtualKey
from tasks.notifications import endpoints, fields, signing
from tasks.notifications.api import who, with_secret
from tasks.notifications.models import KeySigning


class KeySecretView(KeyedView):
    """The holder of the key may ask for it again."""

    def get(self, request: Request) -> Response:
        check_parameters(request.query_params, ())
        row = signing.of_key(self.key)
        try:
            return Response(_shown(row, signing.secret_of(row)))
        except signing.Lost:
            raise Conflict(signing.LOST_WORDS) from None


class RotateKeySecretView(KeyedView):
    def post(self, request: Request) -> Response:
        keeps_old = fields.keeps_old_secret(request.data)
        return Response(_shown(*endpoints.rotate_of_key(self.key, keeps_old=keeps_old, who=who(self.key))))


def _keys() -> QuerySet[VirtualKey]:
    return VirtualKey.objects.filter(deleted_at=None)


class ManagedKeySecretView(ManagementView):
    """The secret itself is its holder's to read."""

    def get(self, request: Request, key_id: str) -> Response:
        return Response(_hint(signing.of_key(found(_keys(), key_id, "key_id"))))


class ManagedRotateKeySecretView(ManagementView):
    @idempotent
    def post(self, request: Request, key_id: str, idempotency: Idempotency | None) -> Response:
        key, keeps_old = found(_keys(), key_id, "key_id"), fields.keeps_old_secret(request.data)
        with once(idempotency):
            row, secret = endpoints.rotate_of_key(key, keeps_old=keeps_old, who=self.who)
            return with_secret(_hint(row), secret, 200, {}, idempotency)


def _shown(row: KeySigning, secret: str) -> dict[str, Any]:
    return {"object": "webhook_secret", "signing_secret": secret, **_hint(row)}


def _hint(row: KeySigning) -> dict[str, Any]:
    ends_at = row.old_secret_ends_at
    return {
        "object": "webhook_secret",
        "signing_secret_hint": row.secret_hint,
        "old_secret_ends_at": int(ends_at.timestamp()) if ends_at else None,
    }
