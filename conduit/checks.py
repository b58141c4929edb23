"""What production refuses to start with, by name."""

import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

SECRET_KEY_CHARACTERS_MIN = 32
SECRET_KEY_DIFFERENT_MIN = 8
# Starts of secrets that people copy from examples.
_EXAMPLE_SECRETS = ("django-insecure", "change", "secret", "insecure", "example", "default", "your-")


def problems() -> Iterator[str]:
    """One sentence for each unsafe setting of a production environment; none in development."""
    if not settings.PRODUCTION:
        return
    secret = _secret_key()
    if not secret:
        yield "SECRET_KEY is not set: it signs links and sessions. Set it to 50 random characters."
    elif len(secret) < SECRET_KEY_CHARACTERS_MIN or len(set(secret)) < SECRET_KEY_DIFFERENT_MIN or _is_an_example(secret.lower()):
        yield f"SECRET_KEY is a default or too easy to guess: set it to at least {SECRET_KEY_CHARACTERS_MIN} random characters."
    if settings.DEBUG:
        yield "DEBUG is on: it shows internals to whoever causes an error. Unset DEBUG."
    if any("*" in host for host in settings.ALLOWED_HOSTS):
        yield "ALLOWED_HOSTS holds `*`: list the host names that clients use."
    if urlsplit(settings.PUBLIC_URL).hostname in ("localhost", "127.0.0.1", "::1"):
        yield "PUBLIC_URL is not set: links in answers would point to localhost. Set it to the address that clients see."
    if not settings.MINIMAX_API_KEY:
        yield "MINIMAX_API_KEY is not set, and production never falls back to the sandbox by itself."
    if any(network.prefixlen == 0 for network in settings.TRUSTED_PROXIES):
        yield "TRUSTED_PROXIES holds every address: any client could say that it is another. List your own proxies."
    if settings.OUTBOUND_ALLOWED.covers_everything():
        yield "OUTBOUND_ALLOWED holds every address: links could lead anywhere in your own network. List the ones that are needed."
    if not _may_be_called(settings.MINIMAX_BASE_URL):
        yield (
            "MINIMAX_BASE_URL is no public address at the usual port, and OUTBOUND_ALLOWED does not list it: "
            f"add {urlsplit(settings.MINIMAX_BASE_URL).netloc}."
        )
    if settings.MINIMAX_SANDBOX:
        yield "MINIMAX_SANDBOX is set: its videos are synthetic. Unset it."


def _may_be_called(url: str) -> bool:
    """False when it is known without asking what its name stands for that OUTBOUND_ALLOWED lacks it."""
    parts = urlsplit(url)
    usual_port = 443 if parts.scheme == "https" else 80
    return bool(settings.OUTBOUND_ALLOWED.may_permit(parts.hostname or "", parts.port or usual_port, usual_port))


def _is_an_example(secret: str) -> bool:
    return secret.startswith(_EXAMPLE_SECRETS) or "change-me" in secret or "changeme" in secret


def _secret_key() -> str:
    try:
        return settings.SECRET_KEY
    except ImproperlyConfigured:  # how Django gives out an empty one
        return ""


@register
def check_production(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [Error(problem, id="conduit.E001") for problem in problems()]


def refuse_unsafe_start() -> None:
    """End a server process that would run unsafely: one line for each reason on standard error."""
    if found := list(problems()):
        sys.exit("\n".join(f"conduit: will not start: {problem}" for problem in found))
