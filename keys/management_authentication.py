"""Programs that manage: the management key in `Authorization: Bearer` or `X-API-Key`, used from where it may be, as often as it may be."""

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from conduit import clock
from conduit.api.callers import known_as
from conduit.api.errors import Unauthenticated
from conduit.api.network import client_address
from keys import limits
from keys.authentication import UnknownKey, secret_of
from keys.models import ManagementKey
from keys.services import MANAGEMENT_PREFIX, SECRET_PREFIX, find_management_key
from keys.strangers import counted


class ManagementKeyAuthentication(BaseAuthentication):
    """Sets `request.user` and `request.auth` to the ManagementKey, if it may be used from there. A virtual key opens nothing here."""

    schemes = ("managementKey", "managementKeyHeader")

    def authenticate(self, request: Request) -> tuple[ManagementKey, ManagementKey]:
        secret, address = secret_of(request, prefix=MANAGEMENT_PREFIX), client_address(request._request)
        with counted(address):
            key = authenticate_management_secret(secret)
        limits.check_address(key, address)
        known_as(request._request, f"management key {key.pk}")
        return key, key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def authenticate_management_secret(secret: str) -> ManagementKey:
    """The usable management key of that secret, in one query.

    Raises:
        Unauthenticated: unknown, disabled, expired or rotated away, or no management key at all.
    """
    key = find_management_key(secret)
    if key is None and secret.startswith(SECRET_PREFIX) and not secret.startswith(MANAGEMENT_PREFIX):
        raise Unauthenticated(
            "This looks like a virtual key, which makes videos. Paths under /v1/admin/ take a management key: it begins with "
            f"`{MANAGEMENT_PREFIX}` and is made in the console or by `manage.py create_management_key`."
        )
    if key is None:
        raise UnknownKey(
            f"This management key is not known here, or was rotated away. Check that it was copied whole, from `{MANAGEMENT_PREFIX}` "
            "to its end."
        )
    if not key.enabled:
        raise Unauthenticated("This management key is disabled. An administrator can enable it.", code="api_key_disabled")
    if key.expires_at and key.expires_at <= clock.now():
        raise Unauthenticated(
            f"This management key expired on {key.expires_at:%Y-%m-%d %H:%M} UTC. Ask for a new one.", code="api_key_expired"
        )
    return key
