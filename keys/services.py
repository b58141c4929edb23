"""Making keys and finding them."""

import hashlib
import secrets
from datetime import datetime

from keys.models import VirtualKey

SECRET_PREFIX = "condt_"  # noqa: S105 - the public start of every secret


def hash_secret(secret: str) -> str:
    """SHA-256 in hex. The secret is 256 random bits: nothing to guess, so a slow hash would only slow each request."""
    return hashlib.sha256(secret.encode()).hexdigest()


def create_key(*, name: str, expires_at: datetime | None = None) -> tuple[VirtualKey, str]:
    """A new key and its secret, which exists nowhere else."""
    secret = SECRET_PREFIX + secrets.token_urlsafe(32)
    key = VirtualKey.objects.create(name=name, prefix=secret[:12], secret_hash=hash_secret(secret), expires_at=expires_at)
    return key, secret


def find_key(secret: str) -> VirtualKey | None:
    """The key of that secret, enabled or not: one query for right, wrong and disabled ones alike."""
    try:
        return VirtualKey.objects.get(secret_hash=hash_secret(secret))
    except VirtualKey.DoesNotExist:
        return None
