"""Secrets that rest in the database: sealed, so that without SECRET_KEY nobody reads them there.

Fernet (AES-128-CBC with HMAC-SHA256), which also says when something was sealed.
"""

from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.utils.crypto import salted_hmac


def box(purpose: str) -> MultiFernet:
    """With keys of this purpose's own, derived from each of the place's: the newest seals, and what an older one sealed still opens."""
    return MultiFernet([_of(secret, purpose) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def is_current(purpose: str, sealed: str) -> bool:
    """Whether it is sealed with SECRET_KEY as it is now, and not with a former one."""
    try:
        _of(settings.SECRET_KEY, purpose).decrypt(sealed.encode())
    except InvalidToken:
        return False
    return True


def _of(secret: str, purpose: str) -> Fernet:
    return Fernet(urlsafe_b64encode(salted_hmac(purpose, "fernet", secret=secret, algorithm="sha256").digest()))
