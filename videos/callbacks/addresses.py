"""The URL that an order names: unguessable, and of that one order. The database is not needed to tell that it is ours."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.core import signing

from videos.account_models import ProviderAccount
from videos.models import Clip

ROOT = "/callbacks/minimax"
# An account whose MiniMax could not reach us is told no URL for so long; then one order tries it again.
TRIES_AGAIN_AFTER = timedelta(minutes=10)
_SALT = "videos.callbacks"
_TOKEN_MAX = 200


@dataclass(frozen=True, slots=True)
class Ordered:
    """Of which clip, and which of its creates, a URL is."""

    clip_id: int
    number: int


def url_of(clip: Clip, *, number: int) -> str:
    """For the create of that number."""
    token = _signer().sign(f"{clip.pk}.{number}")
    return f"{settings.PUBLIC_URL}{ROOT}/{token}"


def url_of_nothing() -> str:
    """One that is ours and of no order, to try whether callbacks arrive."""
    return f"{settings.PUBLIC_URL}{ROOT}/{_signer().sign('0.0')}"


def ordered(token: str) -> Ordered | None:
    """What the last part of a URL's path says; None when it is none of ours."""
    if len(token) > _TOKEN_MAX:
        return None
    try:
        clip_id, _, number = _signer().unsign(token).partition(".")
        return Ordered(int(clip_id), int(number))
    except (signing.BadSignature, ValueError):
        return None


def url_for(clip: Clip, account: ProviderAccount, now: datetime, *, number: int) -> str | None:
    """The URL that an order with the account names; None while it is to name none. One order tries an account again whose MiniMax
    could not reach us."""
    if not are_wanted():
        return None
    refused_at = account.callbacks_refused_at
    if refused_at:
        if now - refused_at < TRIES_AGAIN_AFTER:
            return None
        mine = ProviderAccount.objects.filter(pk=account.pk, callbacks_refused_at=refused_at)
        if not mine.update(callbacks_refused_at=now):
            return None
    return url_of(clip, number=number)


def are_wanted() -> bool:
    """Whether MiniMax is to call back: as MINIMAX_CALLBACKS says, or else where PUBLIC_URL looks as if it could."""
    if settings.MINIMAX_CALLBACKS != "auto":
        return bool(settings.MINIMAX_CALLBACKS == "on")
    parts = urlsplit(settings.PUBLIC_URL)
    host = parts.hostname or ""
    return parts.scheme == "https" and "." in host and not host.endswith((".local", ".internal", ".localhost")) and _is_public(host)


def _is_public(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return True  # a name


def _signer() -> signing.Signer:
    return signing.Signer(salt=_SALT, sep=".")
