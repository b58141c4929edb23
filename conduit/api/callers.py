"""Whose a request is, and which one a thread is answering."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.http import HttpRequest

KNOWN_AS = "conduit.known_as"
# Under this name an ASGI scope may hold what is to be told when its client has shown a key, a login or a link of ours.
CLIENT_KNOWN = "conduit.client_known"

# Under this name a scope holds what its request knew when it gave its thread back to wait (None before), where it may do so.
_PAUSED = "conduit.paused"

_at_hand: ContextVar[HttpRequest | None] = ContextVar("request_at_hand", default=None)


def known_as(request: HttpRequest, name: str) -> None:
    """From now on this request, and those that come with the same secret, count as `name`'s.

    Told to the code that shares out what requests take (threads) as soon as it is known.
    """
    if tell := getattr(request, "scope", {}).get(KNOWN_AS):
        tell(name)


def client_known(scope: Mapping[str, Any]) -> None:
    """The connection of this scope is no stranger's any more: it is kept, however many others there are. From any thread."""
    if tell := scope.get(CLIENT_KNOWN):
        tell()


class Pause(BaseException):
    """Out of a thread: the request is to begin again after `seconds`, which are waited for where no thread is."""

    def __init__(self, seconds: float, known: Any) -> None:
        super().__init__(seconds)
        self.seconds = seconds
        self.known = known


def pausable(scope: Mapping[str, Any], known: Any = None) -> dict[str, Any]:
    """The scope of a request that may pause; `known` is what it knew when it did."""
    return {**scope, _PAUSED: known}


def known_before_pause(request: HttpRequest) -> Any:
    """What `pause` was given, when this request begins again; None when it begins."""
    return getattr(request, "scope", {}).get(_PAUSED)


def pause(request: HttpRequest, seconds: float, known: Any) -> None:
    """Wait so long before this request goes on: on the event loop where there is one, and the request then begins again.

    Raises:
        Pause: through everything that is at work on the request, so nothing may be half done.
    """
    if _PAUSED in getattr(request, "scope", {}):
        raise Pause(seconds, known)
    time.sleep(seconds)


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
