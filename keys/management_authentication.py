"""Programs that manage: the management key in `Authorization: Bearer` or `X-API-Key`."""

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from conduit.api.errors import Unauthenticated
from keys.authentication import secret_of
from keys.models import ManagementKey
from keys.services import MANAGEMENT_PREFIX, SECRET_PREFIX, hash_secret


class ManagementKeyAuthentication(BaseAuthentication):
    """Sets `request.user` and `request.auth` to the ManagementKey. A virtual key opens nothing here."""

    def authenticate(self, request: Request) -> tuple[ManagementKey, ManagementKey]:
        key = _usable(secret_of(request, prefix=MANAGEMENT_PREFIX))
        return key, key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def _usable(secret: str) -> ManagementKey:
    """The management key of that secret, in one query.

    Raises:
        Unauthenticated: unknown or disabled, or no management key at all.
    """
    key = ManagementKey.objects.filter(secret_hash=hash_secret(secret)).first()
    if key is None and secret.startswith(SECRET_PREFIX) and not secret.startswith(MANAGEMENT_PREFIX):
        raise Unauthenticated(
            "This looks like a virtual key, which makes videos. Paths under /v1/admin/ take a management key: it begins with "
            f"`{MANAGEMENT_PREFIX}` and is made in the console or by `manage.py create_management_key`."
        )
    if key is None:
        raise Unauthenticated(
            f"This management key is not known here. Check that it was copied whole, from `{MANAGEMENT_PREFIX}` to its end."
        )
    if not key.enabled:
        raise Unauthenticated("This management key is disabled. An administrator can enable it.", code="api_key_disabled")
    return key
