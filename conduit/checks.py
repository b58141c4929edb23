"""What production refuses to start with, by name."""

import sys
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

SECRET_KEY_CHARACTERS_MIN = 32
# Starts of secrets that people copy from examples.
_EXAMPLE_SECRETS = ("django-insecure", "change", "secret", "insecure", "example", "default", "your-")


def problems() -> Iterator[str]:
    """One sentence for each unsafe setting of a production environment; none in development."""
    if not settings.PRODUCTION:
        return
    secret = _secret_key()
    if not secret:
        yield "SECRET_KEY is not set: it signs links and sessions. Set it to 50 random characters."
    elif len(secret) < SECRET_KEY_CHARACTERS_MIN or secret.lower().startswith(_EXAMPLE_SECRETS):
        yield f"SECRET_KEY is a default or too easy to guess: set it to at least {SECRET_KEY_CHARACTERS_MIN} random characters."
    if settings.DEBUG:
        yield "DEBUG is on: it shows internals to whoever causes an error. Unset DEBUG."
    if any("*" in host for host in settings.ALLOWED_HOSTS):
        yield "ALLOWED_HOSTS holds `*`: list the host names that clients use."
    address = urlsplit(settings.PUBLIC_URL)
    if address.scheme not in ("http", "https") or not address.hostname:
        yield "PUBLIC_URL is no address: it begins with https:// and the host that clients see."
    elif address.hostname in ("localhost", "127.0.0.1", "::1"):
        yield "PUBLIC_URL is not set: links in answers would point to localhost. Set it to the address that clients see."
    if strangers := [entry for entry in settings.TRUSTED_PROXIES if not _is_network(entry)]:
        yield f"TRUSTED_PROXIES holds {strangers[0]!r}: list addresses or networks, such as 10.0.0.0/8."
    if not settings.MINIMAX_API_KEY:
        yield "MINIMAX_API_KEY is not set, and production never falls back to the sandbox by itself."


def _secret_key() -> str:
    try:
        return settings.SECRET_KEY
    except ImproperlyConfigured:  # how Django gives out an empty one
        return ""


def _is_network(entry: str) -> bool:
    try:
        ip_network(entry, strict=False)
    except ValueError:
        return False
    return True


@register
def check_production(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [Error(problem, id="conduit.E001") for problem in problems()]


def refuse_unsafe_start() -> None:
    """End a server process that would run unsafely: one line for each reason on standard error."""
    if found := list(problems()):
        sys.exit("\n".join(f"conduit: will not start: {problem}" for problem in found))
