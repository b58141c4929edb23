"""Before anything is looked up: from an address that sent many unknown secrets, only those pass that were good lately."""

import asyncio
import math
import time
from collections.abc import Mapping
from typing import Any

from conduit.api.errors import ApiError
from conduit.web.refusals import client_of
from keys.services import hash_secret
from keys.strangers import NOTED_AGAIN_SECONDS, UnknownSecrets, strangers
from tasks.realtime.connections import secret_in

_SECRETS_REMEMBERED = 10_000
_CARRIERS = (b"authorization", b"x-api-key")

_noted_at: dict[int, float] = {}
_noting: set[asyncio.Task[None]] = set()


async def check_knock(scope: Mapping[str, Any]) -> None:
    """Raises UnknownSecrets when the request's secret is not to be looked up."""
    if strangers.have_come and (seconds := strangers.seconds_closed(client_of(scope))):
        digest = _digest(scope)
        if digest and not await strangers.was_good(digest):
            raise UnknownSecrets(math.ceil(seconds))


def note_good(loop: asyncio.AbstractEventLoop, scope: Mapping[str, Any]) -> None:
    """The request's secret, if it has one, has opened something. From any thread, at every request."""
    shown = hash(tuple(value for name, value in scope["headers"] if name in _CARRIERS) or scope["query_string"])
    now = time.monotonic()
    if _noted_at.get(shown, -NOTED_AGAIN_SECONDS) > now - NOTED_AGAIN_SECONDS:
        return
    if len(_noted_at) >= _SECRETS_REMEMBERED:
        _noted_at.clear()
    _noted_at[shown] = now
    if digest := _digest(scope):
        loop.call_soon_threadsafe(_note, digest)


def _note(digest: str) -> None:
    _noting.add(task := asyncio.ensure_future(strangers.note(digest)))
    task.add_done_callback(_noting.discard)


def _digest(scope: Mapping[str, Any]) -> str:
    try:
        return hash_secret(secret_in(scope))
    except ApiError:  # none
        return ""
