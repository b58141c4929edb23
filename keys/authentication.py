"""Who calls: the virtual key in `Authorization: Bearer` or `X-API-Key`."""

from typing import cast

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from conduit.api.errors import Unauthenticated
from keys.models import VirtualKey
from keys.services import find_key


class VirtualKeyAuthentication(BaseAuthentication):
    """Sets `request.user` and `request.auth` to the VirtualKey."""

    def authenticate(self, request: Request) -> tuple[VirtualKey, VirtualKey]:
        key = authenticate_secret(_secret_of(request))
        return key, key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def authenticate_secret(secret: str) -> VirtualKey:
    """The usable key of that secret.

    Raises:
        Unauthenticated: unknown, disabled or expired; each with its own code.
    """
    key = find_key(secret)
    if key is None:
        raise Unauthenticated("This API key is not known here. Check that it was copied whole, from `condt_` to its end.")
    if not key.enabled:
        raise Unauthenticated("This API key is disabled. An administrator can enable it.", code="api_key_disabled")
    if key.expires_at and key.expires_at <= timezone.now():
        raise Unauthenticated(f"This API key expired on {key.expires_at:%Y-%m-%d %H:%M} UTC. Ask for a new one.", code="api_key_expired")
    return key


def key_of(request: Request) -> VirtualKey:
    """The key that an authenticated request came with."""
    return cast(VirtualKey, request.auth)


def _secret_of(request: Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    if secret := request.headers.get("X-API-Key", "").strip():
        return secret
    raise Unauthenticated("Send your API key as `Authorization: Bearer condt_…` (or `X-API-Key`).")
