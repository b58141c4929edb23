"""What stands on every answer, whatever gives it: pages, the API, quick reads, streams, the hub, files, refusals.

One header more is one line of HEADERS. Django's answers get them from conduit.api.middleware, those that never reach Django where they
are sent (conduit.web).
"""

from functools import cache
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.http import HttpResponseBase

Lines = list[tuple[bytes, bytes]]

HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",  # no page of others keeps a hand on a window of ours
    "Referrer-Policy": "same-origin",  # addresses hold tokens and tasks' ids
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # to browsers that know no frame-ancestors
}


@cache
def said_always() -> dict[str, str]:
    """Those, and in production over TLS that no browser comes without it again. An answer that says another value of one keeps it."""
    is_for_good = settings.PRODUCTION and urlsplit(settings.PUBLIC_URL).scheme == "https" and settings.HSTS_SECONDS
    return HEADERS | ({"Strict-Transport-Security": f"max-age={settings.HSTS_SECONDS}"} if is_for_good else {})


def put_on(response: HttpResponseBase) -> None:
    """On an answer of Django's."""
    for name, value in said_always().items():
        response.headers.setdefault(name, value)


def with_always(headers: Lines) -> Lines:
    """The same for the headers of an ASGI answer."""
    given = {name.lower() for name, _ in headers}
    return [*headers, *(line for line in _lines() if line[0] not in given)]


@cache
def _lines() -> Lines:
    return [(name.lower().encode(), value.encode()) for name, value in said_always().items()]


@receiver(setting_changed)  # in tests
def _forget(**_: Any) -> None:
    said_always.cache_clear()
    _lines.cache_clear()
