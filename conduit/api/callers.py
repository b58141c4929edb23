"""Whose a request is, and which one a thread is answering."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.http import HttpRequest

KNOWN_AS = "conduit.known_as"
# Under this name an ASGI scope may hold what is to be told when its client has shown a key, a login or a link of ours.
CLIENT_KNOWN = "conduit.client_known"

_at_hand: ContextVar[HttpRequest | None] = ContextVar("request_at_hand", default=None)


def known_as(request: HttpRequest, name: str) -> None:
    """From now on this request, and those that come with the same secret, count as `name`'s.

    Told to whoever shares out what requests take (threads) as soon as it is known.
    """
    if tell := getattr(request, "scope", {}).get(KNOWN_AS):
        tell(name)


def client_known(scope: Mapping[str, Any]) -> None:
    """The connection of this scope is no stranger's any more: it is kept, however many others there are. From any thread."""
    if tell := scope.get(CLIENT_KNOWN):
        tell()


@contextmanager
def answering(request: HttpRequest) -> Iterator[None]:
    """While this lasts, `request_at_hand` is this one."""
    token = _at_hand.set(request)
    try:
        yield
    finally:
        _at_hand.reset(token)


def request_at_hand() -> HttpRequest | None:
    """The request that is being answered here; None in jobs and commands."""
    return _at_hand.get()
