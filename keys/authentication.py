"""Who calls: the virtual key in `Authorization: Bearer` or `X-API-Key`, used from where it may be, as often as it may be."""

from collections.abc import Callable
from typing import cast

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from conduit import clock
from conduit.api.callers import known_as, known_before_pause, pause
from conduit.api.errors import Unauthenticated
from conduit.api.network import client_address
from keys import client_tokens, limits
from keys.models import KeySecret, VirtualKey
from keys.services import MANAGEMENT_PREFIX, SECRET_PREFIX, ended, find_secret
from keys.strangers import UnknownSecret, counted


class UnknownKey(UnknownSecret, Unauthenticated):
    """Nobody has that secret."""


class VirtualKeyAuthentication(BaseAuthentication):
    """Sets `request.user` and `request.auth` to the VirtualKey, if it may be used from there. The view that lets the call in counts it
    (keys.keyed_view)."""

    schemes = ("key", "keyHeader")  # what the API's document calls it

    def authenticate(self, request: Request) -> tuple[VirtualKey, VirtualKey]:
        secret, address = secret_of(request), client_address(request._request)
        with counted(address):
            key = authenticate_secret(secret)
        limits.check_address(key, address)
        known_as(request._request, name_of(key))
        return key, key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def counted_once(request: HttpRequest, count: Callable[[], limits.RateState | None]) -> limits.RateState | None:
    """How the call stands, counted now; one whose place is free in a moment gives its thread back until then."""
    if known := known_before_pause(request):
        return cast(limits.RateState, known)
    rate = count()
    if rate and rate.wait:
        pause(request, rate.wait, rate)
    return rate


def authenticate_secret(secret: str) -> VirtualKey:
    """The usable key of that secret.

    Raises:
        Unauthenticated: unknown, deleted, rotated away, disabled or expired; each says so.
    """
    return usable_secret(secret).key


def usable_secret(secret: str) -> KeySecret:
    """The row of that secret, with its key; of a client token, of the secret that made it. Raises what `authenticate_secret` does."""
    is_token = client_tokens.is_client_token(secret)
    found = client_tokens.find(secret) if is_token else find_secret(secret)
    if found is None and secret.startswith(MANAGEMENT_PREFIX):
        raise Unauthenticated("This looks like a management key, which opens paths under /v1/admin/ alone. Send a virtual key here.")
    if found is None and is_token:
        raise UnknownKey("This client token is not known here, or ended long ago. Whoever made it can make another.")
    if found is None:
        raise UnknownKey("This API key is not known here. Check that it was copied whole, from `condt_` to its end.")
    check_secret(found)
    return found


def check_secret(found: KeySecret) -> None:
    """Raises Unauthenticated when the key, this secret of it or the client token that its key carries no longer opens anything."""
    check_usable(found.key)
    if ended(found):
        raise Unauthenticated(
            f"This secret of your API key was replaced, and ended on {found.expires_at:%Y-%m-%d %H:%M} UTC. Use the newer one.",
            code="api_key_expired",
        )
    if found.key.client_token:
        client_tokens.check_living(found.key.client_token)


def check_usable(key: VirtualKey) -> None:
    """Raises Unauthenticated when the key is deleted, disabled or expired."""
    if key.deleted_at:
        raise Unauthenticated("This API key was deleted. Ask an administrator for a new one.")
    if not key.enabled:
        raise Unauthenticated("This API key is disabled. An administrator can enable it.", code="api_key_disabled")
    if key.expires_at and key.expires_at <= clock.now():
        raise Unauthenticated(f"This API key expired on {key.expires_at:%Y-%m-%d %H:%M} UTC. Ask for a new one.", code="api_key_expired")


def name_of(key: VirtualKey) -> str:
    """What its calls are counted under wherever callers share something, whichever of its secrets they come with."""
    return f"key {key.pk}"


def secret_of(request: Request, *, prefix: str = SECRET_PREFIX) -> str:
    """The secret that a request came with, whatever it opens. `prefix` is how the one that is wanted here begins."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    if secret := request.headers.get("X-API-Key", "").strip():
        return secret
    wanted = "a management key" if prefix == MANAGEMENT_PREFIX else "your API key"
    raise Unauthenticated(f"Send {wanted} as `Authorization: Bearer {prefix}…` (or `X-API-Key`).")
