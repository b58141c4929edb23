"""Standard Webhooks: what a message is signed with, and how (https://www.standardwebhooks.com)."""

import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import datetime, timedelta

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
    sealed = sealing.box(_PURPOSE).encrypt(secret.encode()).decode()
    return {"sealed_secret": sealed, "secret_hint": f"{PREFIX}…{secret[-_SHOWN:]}"}


def rotated(row: Signing, secret: str, *, keeps_old: bool) -> dict[str, object]:
    """The columns of a row that gets another secret; with `keeps_old` the one before signs too, for GRACE."""
    ends_at = clock.now() + GRACE
    old = {"old_sealed_secret": row.sealed_secret, "old_secret_ends_at": ends_at}
    return fields_of(secret) | (old if keeps_old else {"old_sealed_secret": "", "old_secret_ends_at": None})


def secret_of(row: Signing) -> str:
    """Its newest secret, opened.

    Raises:
        cryptography.fernet.InvalidToken: it was sealed with a SECRET_KEY that this place does not have any more.
    """
    return _opened(row.sealed_secret)


def living_secrets(row: Signing, now: datetime) -> list[str]:
    """All that sign at that moment, the newest first."""
    old = [row.old_sealed_secret] if row.old_sealed_secret and row.old_secret_ends_at and row.old_secret_ends_at > now else []
    return [_opened(sealed) for sealed in (row.sealed_secret, *old)]


def sealed_anew(row: Signing) -> dict[str, str]:
    """The columns of a row with its secrets sealed with SECRET_KEY as it is now; none: they are.

    Raises:
        cryptography.fernet.InvalidToken: nothing opens them.
    """
    rotate = sealing.box(_PURPOSE).rotate
    rest = {name: getattr(row, name) for name in ("sealed_secret", "old_sealed_secret") if getattr(row, name)}
    if all(sealing.is_current(_PURPOSE, sealed) for sealed in rest.values()):
        return {}
    return {name: rotate(sealed.encode()).decode() for name, sealed in rest.items()}


def of_key(key: VirtualKey) -> KeySigning:
    """The key's own, made when it is first needed. Two who need it at once get the same."""
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


def _opened(sealed: str) -> str:
    return sealing.box(_PURPOSE).decrypt(sealed.encode()).decode()
