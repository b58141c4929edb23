"""Secrets that rest in the database: sealed, so that without SECRET_KEY nobody reads them there.

Fernet (AES-128-CBC with HMAC-SHA256), which also says when something was sealed.
"""

from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.utils.crypto import salted_hmac


def box(purpose: str) -> MultiFernet:
    """With keys of this purpose's own, derived from each of the place's: the newest seals, and what an older one sealed still opens."""
    return MultiFernet(
        [
            Fernet(urlsafe_b64encode(salted_hmac(purpose, "fernet", secret=secret, algorithm="sha256").digest()))
            for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
        ]
    )
