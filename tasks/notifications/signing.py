"""Standard Webhooks: what a message is signed with, and how (https://www.standardwebhooks.com)."""

import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from enum import Enum

from cryptography.fernet import InvalidToken

from conduit import clock, sealing
from keys.models import VirtualKey
from tasks.notifications.models import KeySigning, Signing

PREFIX = "whsec_"
SECRET_BYTES = 32
# How long the secret before signs beside the new one, where that is asked for.
GRACE = timedelta(hours=24)
_PURPOSE = "notifications.signing"
# Characters of a secret's end by which people tell it from another: far too few to sign with.
_SHOWN = 4


def new_secret() -> str:
    return PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def fields_of(secret: str) -> dict[str, str]:
    """The columns of a row whose secret that is from now on."""
    return {"sealed_secret": _sealed(secret), "secret_hint": f"{PREFIX}…{secret[-_SHOWN:]}"}


def rotated(row: Signing, secret: str, *, keeps_old: bool) -> dict[str, object]:
    """The columns of a row that gets another secret; with `keeps_old` the one before signs too, for GRACE."""
    ends_at = clock.now() + GRACE
    old = {"old_sealed_secret": row.sealed_secret, "old_secret_ends_at": ends_at}
    return fields_of(secret) | (old if keeps_old else {"old_sealed_secret": "", "old_secret_ends_at": None})


LOST_WORDS = "This signing secret cannot be opened any more: whoever runs this place changed what it was sealed with. Rotate it."


class Lost(Exception):
    """A secret was sealed with a SECRET_KEY that this place does not have any more: nothing opens it."""


class Seal(Enum):
    """What its secrets are sealed with."""

    CURRENT = "SECRET_KEY as it is now"
    FORMER = "a former one that is among SECRET_KEY_FALLBACKS"
    LOST = "one that nobody has"


def secret_of(row: Signing) -> str:
    """Its newest secret, opened.

    Raises:
        Lost: it cannot be.
    """
    return _opened(row.sealed_secret)


def living_secrets(row: Signing, now: datetime) -> list[str]:
    """All that sign at that moment, the newest first. An older one that is lost does not.

    Raises:
        Lost: the newest is.
    """
    newest, *older = _living(row, now)
    opened = [_opened(newest)]
    for sealed in older:
        with suppress(Lost):
            opened.append(_opened(sealed))
    return opened


def _living(row: Signing, now: datetime) -> list[str]:
    """The same, sealed."""
    signs = row.old_sealed_secret and row.old_secret_ends_at and row.old_secret_ends_at > now
    return [row.sealed_secret, row.old_sealed_secret] if signs else [row.sealed_secret]


def seal_of(row: Signing, now: datetime) -> Seal:
    """With what the secrets are sealed that sign at that moment."""
    if all(sealing.is_current(_PURPOSE, sealed) for sealed in _living(row, now)):
        return Seal.CURRENT
    try:
        _opened(row.sealed_secret)
    except Lost:
        return Seal.LOST
    return Seal.FORMER


def sealed_anew(row: Signing) -> dict[str, object]:
    """The columns of a row with its secrets sealed with SECRET_KEY as it is now; none: they are. An older one that is lost is given up.

    Raises:
        Lost: the newest is.
    """
    now = clock.now()
    if seal_of(row, now) is Seal.CURRENT:
        return {}
    newest, *older = map(_sealed, living_secrets(row, now))
    old = {"old_sealed_secret": older[0]} if older else {"old_sealed_secret": "", "old_secret_ends_at": None}
    return {"sealed_secret": newest, **old}


def of_key(key: VirtualKey) -> KeySigning:
    """The key's own, made when it is first needed. Two requests that need it at once get the same."""
    row, _ = KeySigning.objects.get_or_create(key=key, defaults=fields_of(new_secret()))
    return row


def headers(message_id: str, moment: datetime, body: bytes, signing_secrets: Sequence[str]) -> dict[str, str]:
    """The three headers of a try at that moment: one signature for each secret."""
    seconds = int(moment.timestamp())
    signed = f"{message_id}.{seconds}.".encode() + body
    signatures = [f"v1,{b64encode(hmac.digest(_bytes_of(secret), signed, 'sha256')).decode()}" for secret in signing_secrets]
    return {"webhook-id": message_id, "webhook-timestamp": str(seconds), "webhook-signature": " ".join(signatures)}


def _bytes_of(secret: str) -> bytes:
    return b64decode(secret.removeprefix(PREFIX))


def _sealed(secret: str) -> str:
    return sealing.box(_PURPOSE).encrypt(secret.encode()).decode()


def _opened(sealed: str) -> str:
    try:
        return sealing.box(_PURPOSE).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Lost from None
