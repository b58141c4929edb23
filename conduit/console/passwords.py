"""Passwords of people: how they are hashed, and how many at once.

A hash takes some tenths of a second of a processor on purpose. Who tries passwords must not take them all.
"""

from collections.abc import Callable
from functools import lru_cache
from threading import BoundedSemaphore
from typing import Any

from django.contrib.auth.hashers import BasePasswordHasher, PBKDF2PasswordHasher
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string

from conduit.api.errors import TooManyRequests

# Hashes at once in a process.
AT_ONCE = 2
# When to try again, in seconds: a hash takes less.
RETRY_SECONDS = 2

_hashing = BoundedSemaphore(AT_ONCE)


class TooManyLogins(TooManyRequests):
    """So many passwords are being looked at that this one is not."""

    def __init__(self) -> None:
        super().__init__("There are too many log-ins at once. Try again in a moment.", headers={"Retry-After": str(RETRY_SECONDS)})


class Bounded(BasePasswordHasher):
    """Before a hasher: no more than AT_ONCE at once. Whoever comes then is refused, and waits for nothing.

    Raises:
        TooManyLogins: wherever a password is checked or set.
    """

    def encode(self, password: str, salt: str, *rest: Any) -> Any:
        if not _hashing.acquire(blocking=False):
            raise TooManyLogins
        try:
            return super().encode(password, salt, *rest)
        finally:
            _hashing.release()


class BoundedHasher(Bounded, PBKDF2PasswordHasher):
    """Django's own. The hash itself is made outside Python's lock, so that the other threads go on."""


class TooManyLoginsPage:
    """Middleware: people who meet TooManyLogins see a page."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        if not isinstance(exception, TooManyLogins):
            return None
        return HttpResponse(too_many_logins_page(), status=exception.status, headers={**exception.headers, "Cache-Control": "no-store"})


@lru_cache
def too_many_logins_page() -> str:
    """Depends on nobody's request, so that it costs nothing when there are thousands."""
    return render_to_string("admin/too_many_logins.html", {"title": "Too many log-ins at once", "site_header": "Conduit"})
